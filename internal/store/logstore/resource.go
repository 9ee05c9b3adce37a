package logstore

import (
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"hinomi/internal/store/attrs"
)

// LokiScope is the instrumentation scope name that marks records of Loki's
// push protocol: all their resource attributes are stream labels.
const LokiScope = "loki"

// indexLabels are the resource attributes that become stream labels of OTLP
// records, as in Loki's default OTLP configuration (Grafana Loki, "Ingesting
// logs using OTLP", default resource attributes as index labels), and the
// ownership labels of Hinomi.
var indexLabels = map[string]bool{
	"cloud.availability_zone": true, "cloud.region": true, "container.name": true,
	"deployment.environment.name": true, "deployment.environment": true, "k8s.cluster.name": true,
	"k8s.container.name": true, "k8s.cronjob.name": true, "k8s.daemonset.name": true,
	"k8s.deployment.name": true, "k8s.job.name": true, "k8s.namespace.name": true,
	"k8s.pod.name": true, "k8s.replicaset.name": true, "k8s.statefulset.name": true,
	"service.instance.id": true, "service.name": true, "service.namespace": true,
	"product": true, "team": true, "env": true,
}

type resourceInfo struct {
	product, service string
	json             string
	stream           string // with the index labels
	allLabels        string // with every attribute
}

// resourceColumns computes, once per resource, what all its records share.
func resourceColumns(res pcommon.Map) resourceInfo {
	info := resourceInfo{json: string(attrs.AppendMap(nil, res)), service: "unknown_service"}
	var all, index []attrs.Label
	for key, v := range res.All() {
		l := attrs.Label{Name: LabelName(key), Value: strings.ToValidUTF8(v.AsString(), "\uFFFD")}
		if l.Name == "" || l.Value == "" {
			continue
		}
		all = append(all, l)
		if indexLabels[key] {
			index = append(index, l)
		}
		if key == "service.name" || key == "service_name" {
			info.service = l.Value
		}
	}
	if info.service == "unknown_service" {
		// Loki's discovery of a service name, for streams that have none.
		for _, name := range []string{"service", "app", "application", "name", "app_kubernetes_io_name", "container", "container_name", "component", "workload", "job"} {
			if i := slices.IndexFunc(all, func(l attrs.Label) bool { return l.Name == name }); i >= 0 {
				info.service = all[i].Value
				break
			}
		}
	}
	if !slices.ContainsFunc(index, func(l attrs.Label) bool { return l.Name == "service_name" }) {
		index = append(index, attrs.Label{Name: "service_name", Value: info.service})
	}
	if !slices.ContainsFunc(all, func(l attrs.Label) bool { return l.Name == "service_name" }) {
		all = append(all, attrs.Label{Name: "service_name", Value: info.service})
	}
	info.stream, info.allLabels = attrs.Stream(normal(index)), attrs.Stream(normal(all))
	return info
}

// normal sorts labels by name and keeps the first of equal names.
func normal(labels []attrs.Label) []attrs.Label {
	slices.SortStableFunc(labels, func(a, b attrs.Label) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(labels, func(a, b attrs.Label) bool { return a.Name == b.Name })
}

// LabelName turns an attribute key into a label name as Loki does: what is not
// a letter, digit, underscore or colon becomes an underscore.
func LabelName(key string) string {
	ok := func(i int, c byte) bool {
		return c == '_' || c == ':' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || i > 0 && '0' <= c && c <= '9'
	}
	clean := true
	for i := range len(key) {
		clean = clean && ok(i, key[i])
	}
	if clean {
		return key
	}
	b := []byte(key)
	for i, c := range b {
		if !ok(i, c) {
			b[i] = '_'
		}
	}
	if c := key[0]; '0' <= c && c <= '9' {
		return "_" + string(c) + string(b[1:])
	}
	return string(b)
}

func scopeJSON(s pcommon.InstrumentationScope) string {
	if s.Name() == "" && s.Version() == "" && s.Attributes().Len() == 0 {
		return "{}"
	}
	return attrs.Scope(s)
}
