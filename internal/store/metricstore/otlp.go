package metricstore

import (
	"context"
	"errors"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"go.opentelemetry.io/collector/pdata/pmetric"

	hmodel "hinomi/internal/model"
	"hinomi/internal/store"
)

// targetInfo is the family that carries all attributes of a resource.
const targetInfo = "target_info"

// PromotedResourceAttributes are the resource attributes that become labels of
// every series; all others are on target_info. They are few, because each is a
// dimension of everything: who it is, where it runs, whose it is.
func PromotedResourceAttributes() []string {
	return []string{
		"service.name", "service.namespace", "service.version",
		"deployment.environment", "deployment.environment.name", "env",
		"k8s.cluster.name", "k8s.namespace.name", "k8s.deployment.name", "k8s.pod.name",
		hmodel.ResourceProduct, "team",
	}
}

// otlpSettings is the standard translation of OTLP: underscores and suffixes.
func otlpSettings() prometheusremotewrite.Settings {
	return prometheusremotewrite.Settings{
		AddMetricSuffixes: true,
		PromoteResourceAttributes: prometheusremotewrite.NewPromoteResourceAttributes(config.OTLPConfig{
			PromoteResourceAttributes: PromotedResourceAttributes(),
		}),
		// target_info must be joinable by service.name too, not only by job.
		KeepIdentifyingResourceAttributes: true,
	}
}

// AppendOTLP stores every data point of md and may change md. Counts are in
// data points: a classic histogram is one, however many series it becomes. An
// error means that nothing is acknowledged and (if store.Retryable) the sender
// should send all of it again.
func (s *Store) AppendOTLP(ctx context.Context, scope hmodel.Scope, md pmetric.Metrics) (store.WriteResult, error) {
	var res store.WriteResult
	s.screen(md, &res)
	points := md.DataPointCount()

	inner := &appenderV2{writer: s.newWriter(scope), tx: s.db.AppenderV2(ctx)}
	if inner.err != nil {
		return store.WriteResult{}, errors.Join(inner.err, inner.Rollback())
	}
	app := &otlpAppender{appenderV2: inner, res: &res}
	walk := s.newOTLPWalk(ctx, app)
	walk.store(md)
	convErr := walk.err
	if app.fatal == nil {
		app.fatal = ctx.Err()
	}
	if app.fatal != nil {
		return store.WriteResult{}, errors.Join(app.fatal, inner.Rollback())
	}
	if err := inner.Commit(); err != nil {
		return store.WriteResult{}, err
	}
	res.Stored = app.stored
	if lost := points - app.stored - app.rejected; lost > 0 {
		// What never reached the appender, the translation refused.
		example := "the data points have no valid Prometheus form"
		if convErr != nil {
			example, _, _ = strings.Cut(convErr.Error(), "\n")
		}
		res.Reject(store.RejectMalformed, lost, example)
	}
	return res, nil
}

// otlpAppender keeps the good points of a request when others are refused, and
// counts both in data points.
type otlpAppender struct {
	*appenderV2
	res              *store.WriteResult
	stored, rejected int
	fatal            error
}

func (a *otlpAppender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	var err error
	if ls.IsValid(model.UTF8Validation) {
		ref, err = a.appenderV2.Append(ref, ls, st, t, v, h, fh, opts)
	} else {
		err = errInvalidLabels
	}
	if err != nil && errors.Is(err, &storage.AppendPartialError{}) {
		err = nil // the sample is in, only an exemplar is not
	}
	if err == nil {
		if endsPoint(ls, h, opts) {
			a.stored++
		}
		return ref, nil
	}
	reason, ok := Rejected(err)
	if !ok {
		a.fatal = err
		return 0, err
	}
	if endsPoint(ls, h, opts) {
		a.rejected++
		a.res.Reject(reason, 1, err.Error()+": "+strings.ToValidUTF8(ls.String(), "\uFFFD"))
	}
	return 0, nil
}

// known stores one sample of a point whose series are known. It returns false
// when the request cannot go on.
func (a *otlpAppender) known(r *recipe, i int, at sampleTimes, v float64) bool {
	s := &r.series[i]
	before := storage.SeriesRef(s.ref.Load())
	ref, ls, err := a.admit(before, s.labels, at.t)
	if err == nil {
		ref, err = a.tx.Append(ref, ls, at.st, at.t, v, nil, nil, r.opts)
	}
	if err == nil {
		if ref != before { // the TSDB had dropped the series and made it anew
			s.ref.Store(uint64(ref))
		}
		if s.ends {
			a.stored++
			a.noteMetadata(r.opts.MetricFamilyName, ls, r.opts.Metadata)
		}
		return true
	}
	reason, ok := Rejected(err)
	if !ok {
		a.fatal = err
		return false
	}
	if s.ends {
		a.rejected++
		a.res.Reject(reason, 1, err.Error()+": "+strings.ToValidUTF8(s.labels.String(), "\uFFFD"))
	}
	return true
}

// errInvalidLabels is when a label name or value is not what Prometheus can keep.
var errInvalidLabels = errors.New("a label name is empty or a label is not valid UTF-8")

// endsPoint tells whether this sample stands for its data point. All samples of
// a point share time and scope, so one of them is enough to count: the _count
// of classic histograms and summaries, the only sample of the other kinds.
func endsPoint(ls labels.Labels, h *histogram.Histogram, opts storage.AOptions) bool {
	switch {
	case opts.MetricFamilyName == targetInfo:
		return false // made by the translation, not sent
	case h != nil:
		return true
	case opts.Metadata.Type == model.MetricTypeHistogram, opts.Metadata.Type == model.MetricTypeSummary:
		return len(ls.Get(labels.MetricName)) == len(opts.MetricFamilyName)+len("_count") &&
			strings.HasSuffix(ls.Get(labels.MetricName), "_count")
	default:
		return true
	}
}
