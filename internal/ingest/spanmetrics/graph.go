package spanmetrics

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/model"
)

const (
	// pairWait is how long one side of a call waits for the other, which comes
	// from another process with its own export interval.
	pairWait = 15 * time.Second
	// maxPairs bounds the waiting sides; beyond, new ones are not paired.
	maxPairs = 100_000
)

// Connection types, as Tempo names them.
const (
	connPlain     = ""
	connDatabase  = "database"
	connMessaging = "messaging_system"
	connVirtual   = "virtual_node"
)

type edgeKey struct {
	product, client, server, connection string
}

// edgeSeries are the metrics of one edge of the service graph.
type edgeSeries struct {
	total, failed  counter
	client, server histogram
}

func (e *edgeSeries) idle(now time.Time) bool { return now.Sub(e.total.seen) > idleAfter }

// call is one complete call between two services.
type call struct {
	edgeKey
	trace          pcommon.TraceID
	failed         bool
	weight         float64
	clientSeconds  float64
	serverSeconds  float64
	hasServer      bool
	clientFinished time.Time
}

func (g *Generator) edge(c call, now time.Time) {
	e := g.edges[c.edgeKey]
	if e == nil {
		ls := []labels.Label{{Name: "client", Value: valid(c.client)}, {Name: "server", Value: valid(c.server)}}
		if c.connection != "" {
			ls = append(ls, labels.Label{Name: "connection_type", Value: c.connection})
		}
		if c.product != "" {
			ls = append(ls, labels.Label{Name: model.ProductLabel, Value: c.product})
		}
		e = &edgeSeries{
			total:  newCounter("traces_service_graph_request_total", ls, now),
			failed: newCounter("traces_service_graph_request_failed_total", ls, now),
			client: newHistogram("traces_service_graph_request_client_seconds", ls, now),
			server: newHistogram("traces_service_graph_request_server_seconds", ls, now),
		}
		g.edges[c.edgeKey] = e
	}
	e.total.add(c.weight, now)
	failed := 0.0
	if c.failed {
		failed = c.weight
	}
	e.failed.add(failed, now)
	e.client.observe(c.clientSeconds, c.weight, c.trace, c.clientFinished, now)
	if c.hasServer {
		e.server.observe(c.serverSeconds, c.weight, c.trace, c.clientFinished, now)
	}
}

// pairs joins the client (or producer) span of a call with its server (or
// consumer) span, whichever comes first.
type pairs struct {
	emit    func(call, time.Time)
	waiting map[pairKey]*side
	queue   []pairKey // by deadline
}

type pairKey struct {
	trace pcommon.TraceID
	span  pcommon.SpanID // of the client side
}

type side struct {
	product, service string
	client           bool
	connection       string
	peer             string // the name of the other end, for calls out of our sight
	seconds, weight  float64
	failed           bool
	finished         time.Time
	deadline         time.Time
}

func newPairs(emit func(call, time.Time)) *pairs {
	return &pairs{emit: emit, waiting: map[pairKey]*side{}}
}

func (p *pairs) span(svc serviceKey, sp *span, seconds, weight float64, now time.Time) {
	s := &side{
		product: svc.product, service: svc.service, seconds: seconds, weight: weight,
		failed: sp.status == ptrace.StatusCodeError, finished: sp.finished(), deadline: now.Add(pairWait),
	}
	key := pairKey{trace: sp.trace}
	switch sp.kind {
	case ptrace.SpanKindClient, ptrace.SpanKindProducer:
		s.client = true
		key.span = sp.id
		s.connection, s.peer = peerOf(sp)
		if s.connection == connDatabase {
			// A database sends no spans: the call is complete as it is.
			p.emit(call{edgeKey: edgeKey{s.product, clone(s.service), clone(s.peer), s.connection}, trace: key.trace, failed: s.failed,
				weight: weight, clientSeconds: seconds, clientFinished: s.finished}, now)
			return
		}
	case ptrace.SpanKindServer, ptrace.SpanKindConsumer:
		key.span = sp.parent
		if sp.kind == ptrace.SpanKindConsumer {
			s.connection = connMessaging
		}
		if key.span.IsEmpty() {
			return
		}
	default:
		return
	}
	other := p.waiting[key]
	if other == nil || other.client == s.client {
		if len(p.waiting) < maxPairs && other == nil {
			s.service, s.product, s.peer = clone(s.service), clone(s.product), clone(s.peer)
			p.waiting[key] = s
			p.queue = append(p.queue, key)
		}
		return
	}
	delete(p.waiting, key)
	client, server := s, other
	if !s.client {
		client, server = other, s
	}
	connection := connPlain
	if client.connection == connMessaging || server.connection == connMessaging {
		connection = connMessaging
	}
	p.emit(call{edgeKey: edgeKey{server.product, clone(client.service), clone(server.service), connection}, trace: key.trace, failed: client.failed || server.failed,
		weight: max(client.weight, server.weight), clientSeconds: client.seconds, serverSeconds: server.seconds, hasServer: true, clientFinished: client.finished}, now)
}

// expire ends the wait of sides whose other end never came. A client that named
// its peer makes an edge to a virtual node: something outside of our sight.
func (p *pairs) expire(now time.Time) {
	i := 0
	for ; i < len(p.queue); i++ {
		s := p.waiting[p.queue[i]]
		if s == nil {
			continue
		}
		if now.Before(s.deadline) {
			break
		}
		if s.client && s.peer != "" {
			connection := connVirtual
			if s.connection == connMessaging {
				connection = connMessaging
			}
			p.emit(call{edgeKey: edgeKey{s.product, s.service, s.peer, connection}, trace: p.queue[i].trace, failed: s.failed,
				weight: s.weight, clientSeconds: s.seconds, clientFinished: s.finished}, now)
		}
		delete(p.waiting, p.queue[i])
	}
	p.queue = append(p.queue[:0], p.queue[i:]...)
}

// peerOf tells what a client span talks to: a database by its system's name, a
// queue, or a named peer. Attribute names: OpenTelemetry semantic conventions
// for database, messaging and general attributes, old and new.
func peerOf(sp *span) (connection, peer string) {
	get := func(keys ...string) string {
		for _, k := range keys {
			if v := sp.attribute(k); v != "" {
				return v
			}
		}
		return ""
	}
	if system := get("db.system.name", "db.system"); system != "" {
		// With the system's name in front, because a database is often called
		// like the service that owns it.
		if name := get("peer.service", "service.peer.name", "db.namespace", "db.name"); name != "" {
			return connDatabase, system + "/" + name
		}
		return connDatabase, system
	}
	if system := get("messaging.system"); system != "" {
		return connMessaging, system
	}
	return connPlain, get("service.peer.name", "peer.service", "server.address", "net.peer.name")
}
