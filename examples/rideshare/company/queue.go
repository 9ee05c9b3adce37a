package company

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"

	"hinomi/examples/rideshare/telemetry"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

const (
	topicCompleted = "rides.completed"
	partitions     = 4
	// partitionSize is the backlog a consumer group can have in one partition before producers get an error.
	partitionSize = 4096
)

// message is one record of the topic.
type message struct {
	headers   propagation.MapCarrier
	requestID string
	ride      Ride
	partition int
	offset    int
}

// consumerGroup is one service that reads the topic, one goroutine a partition, in order.
type consumerGroup struct {
	svc        *service
	median     time.Duration
	handle     func(r *request, in Ride) error
	partitions [partitions]chan message
}

// queue is the broker.
type queue struct {
	c      *Company
	groups []*consumerGroup

	mu      sync.Mutex
	offsets [partitions]int
}

func (q *queue) subscribe(svc *service, median time.Duration, handle func(r *request, in Ride) error) {
	g := &consumerGroup{svc: svc, median: median, handle: handle}
	for i := range g.partitions {
		g.partitions[i] = make(chan message, partitionSize)
	}
	q.groups = append(q.groups, g)
}

// publish sends a ride to the topic with a producer span.
func (r *request) publish(ride Ride) error {
	q := r.c.queue
	h := fnv.New32a()
	h.Write([]byte(ride.RideID))
	partition := int(h.Sum32() % partitions)
	ctx, sp := r.rev.span(r.ctx, "send "+topicCompleted, trace.SpanKindProducer, append(messaging(partition, ride.RideID),
		semconv.MessagingOperationName("send"), semconv.MessagingOperationTypeSend))
	if r.c.faults.Down(r.rev.svc.name, "kafka") {
		r.spend(refusedAfter)
		err := fmt.Errorf("kafka: dial tcp kafka:9092: connect: %w", syscall.ECONNREFUSED)
		sp.finish("connection_refused", err)
		return fail(http.StatusInternalServerError, "kafka_unavailable", err)
	}
	r.spend(2 * time.Millisecond)
	m := message{headers: propagation.MapCarrier{}, requestID: r.id, ride: ride, partition: partition}
	telemetry.Propagator().Inject(ctx, m.headers)
	if err := q.append(m); err != nil {
		sp.finish("queue_full", err)
		return fail(http.StatusInternalServerError, "queue_full", err)
	}
	sp.finish("", nil)
	return nil
}

func (q *queue) append(m message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, g := range q.groups {
		if len(g.partitions[m.partition]) == partitionSize {
			return fmt.Errorf("kafka: partition %d of %s is full for %s", m.partition, topicCompleted, g.svc.name)
		}
	}
	m.offset = q.offsets[m.partition]
	q.offsets[m.partition]++
	for _, g := range q.groups {
		// Only this function sends, under the lock, so there is room.
		q.c.work.begin()
		g.partitions[m.partition] <- m
	}
	return nil
}

// consume handles one partition until the context ends.
func (g *consumerGroup) consume(ctx context.Context, partition int) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-g.partitions[partition]:
			if !g.waitUntilAble(ctx, partition) {
				return
			}
			g.process(ctx, m)
			g.svc.c.work.done()
		}
	}
}

// waitUntilAble blocks while the service is crashed or its broker is down, with a log line each second: messages
// wait in the partition like with a real broker.
func (g *consumerGroup) waitUntilAble(ctx context.Context, partition int) bool {
	for {
		changed := g.svc.c.faultsChanged()
		crashed, down := g.svc.c.faults.Crashed(g.svc.name), g.svc.c.faults.Down(g.svc.name, "kafka")
		if !crashed && !down {
			return true
		}
		if down && !crashed {
			rev := g.svc.acquire()
			rev.set.Logger.ErrorContext(ctx, "poll failed", "messaging.destination.name", topicCompleted, "messaging.destination.partition.id", strconv.Itoa(partition),
				"error", "kafka: dial tcp kafka:9092: connect: connection refused")
			rev.release()
		}
		again := time.NewTimer(time.Second)
		select {
		case <-changed:
			again.Stop()
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return false
		}
	}
}

// process runs the handler with a consumer span. The span continues the trace of the producer, so that a ride is
// one trace, and links to the producer as the conventions ask.
func (g *consumerGroup) process(ctx context.Context, m message) {
	rev := g.svc.acquire()
	defer rev.release()
	ctx = telemetry.Propagator().Extract(ctx, m.headers)
	producer := trace.SpanContextFromContext(ctx)
	ctx, sp := rev.span(ctx, "process "+topicCompleted, trace.SpanKindConsumer, append(messaging(m.partition, m.ride.RideID),
		semconv.MessagingOperationName("process"), semconv.MessagingOperationTypeProcess,
		semconv.MessagingConsumerGroupName(g.svc.name), semconv.MessagingKafkaOffset(m.offset)), trace.Link{SpanContext: producer})
	r := &request{
		c: g.svc.c, rev: rev, ctx: ctx, log: rev.set.Logger.With("request.id", m.requestID), id: m.requestID,
		rng: Draws(g.svc.c.seed, m.requestID, g.svc.name, topicCompleted),
	}
	err := r.injected()
	if err == nil {
		r.spend(g.median)
		err = g.handle(r, m.ride)
	}
	if err != nil {
		sp.finish("processing_failed", err)
		r.log.ErrorContext(ctx, "message not processed", "messaging.destination.name", topicCompleted, "error", err.Error())
		return
	}
	d := sp.finish("", nil)
	r.log.InfoContext(ctx, "message processed", "messaging.destination.name", topicCompleted, "duration_ms", float64(d.Microseconds())/1000)
}

func messaging(partition int, id string) []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.MessagingSystemKafka, semconv.MessagingDestinationName(topicCompleted), semconv.MessagingDestinationPartitionID(strconv.Itoa(partition)),
		semconv.MessagingMessageID(id), semconv.ServerAddress("kafka"), semconv.ServerPort(9092),
	}
}
