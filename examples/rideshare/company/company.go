// Package company is the rideshare company: fifteen HTTP services in one process behind one listener, each with an
// OpenTelemetry SDK of its own, that call each other over real connections.
package company

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"hinomi/examples/rideshare/fault"
	"hinomi/examples/rideshare/ledger"
	"hinomi/examples/rideshare/telemetry"
)

// firstVersion is what every service runs until something is deployed.
const firstVersion = "v341"

// Options for a Company.
type Options struct {
	// Listen is the address of the one listener; port 0 picks a free one.
	Listen string
	// Seed decides every outcome.
	Seed uint64
	// Telemetry says where to; its Record is set by New.
	Telemetry telemetry.Options
	// Instant leaves out the services' own latencies (not those of faults), for tests.
	Instant bool
}

// Company is the running fifteen. New listens, Run serves until its context ends, Close is idempotent.
type Company struct {
	seed     uint64
	instant  bool
	listener net.Listener
	server   *http.Server
	network  *network
	pipeline *telemetry.Pipeline
	faults   *fault.Registry
	ledger   *ledger.Ledger
	queue    *queue
	fleet    *fleet
	work     *work
	services map[string]*service
	order    []*service
	// retiring waits for the revisions that a deployment replaced.
	retiring sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{}

	closeOnce sync.Once
	closeErr  error
}

// New listens and builds the services. Nothing is served before Run.
func New(ctx context.Context, o Options) (*Company, error) {
	c := &Company{
		seed: o.Seed, instant: o.Instant, ledger: ledger.New(), work: newWork(), fleet: &fleet{busy: map[string]int64{}},
		services: map[string]*service{}, changed: make(chan struct{}),
	}
	c.faults = fault.NewRegistry(Services(), c.applyFaults)
	c.queue = &queue{c: c}
	var err error
	if c.listener, err = net.Listen("tcp", o.Listen); err != nil {
		return nil, fmt.Errorf("listen on %s (another rideshare may run; choose another --listen): %w", o.Listen, err)
	}
	if c.network, err = newNetwork(c.listener.Addr().String(), Services()); err != nil {
		return nil, errors.Join(err, c.listener.Close())
	}
	o.Telemetry.Record = c.ledger.Exported
	if c.pipeline, err = telemetry.NewPipeline(ctx, o.Telemetry); err != nil {
		c.network.close()
		return nil, errors.Join(err, c.listener.Close())
	}
	for _, d := range definitions() {
		s := &service{c: c, name: d.name, team: d.team, routes: d.endpoints}
		s.register()
		c.services[d.name] = s
		c.order = append(c.order, s)
		if _, err := s.deploy(firstVersion); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	c.queue.subscribe(c.services["billing"], 8*ms, billingConsume)
	c.queue.subscribe(c.services["notification"], 10*ms, notificationConsume)
	c.server = &http.Server{Handler: c.handler(), ReadHeaderTimeout: 10 * time.Second}
	return c, nil
}

// Addr is the address of the listener.
func (c *Company) Addr() string { return c.listener.Addr().String() }

// Ledger is the company's own account.
func (c *Company) Ledger() *ledger.Ledger { return c.ledger }

// Faults is the registry of injected faults.
func (c *Company) Faults() *fault.Registry { return c.faults }

// Seed is the seed of all outcomes.
func (c *Company) Seed() uint64 { return c.seed }

// Run serves and consumes until the context ends.
func (c *Company) Run(ctx context.Context) error {
	var consumers sync.WaitGroup
	consuming, stop := context.WithCancel(ctx)
	defer stop()
	for _, g := range c.queue.groups {
		for p := range partitions {
			consumers.Go(func() { g.consume(consuming, p) })
		}
	}
	served := make(chan error, 1)
	go func() { served <- c.server.Serve(c.listener) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		// Connections that were dialed ahead and never used would keep Shutdown waiting for five seconds.
		c.network.closeIdle()
		if c.server.Shutdown(grace) != nil {
			// Whoever still waits for an answer after the grace loses the connection.
			err = c.server.Close()
		}
		<-served
	}
	stop()
	consumers.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Do sends a request of a rider's application to the gateway and waits while a drain holds new work back.
func (c *Company) Do(req *http.Request) (*http.Response, error) {
	if err := c.work.enter(req.Context()); err != nil {
		return nil, err
	}
	defer c.work.done()
	return c.network.routes["gateway"].transport.RoundTrip(req)
}

// Flush holds new work back, waits for all that is under way, exports everything and returns the ledger as the
// receiver has acknowledged it. With hold, new work stays out until Resume.
func (c *Company) Flush(ctx context.Context, maxTraces int, hold bool) (ledger.Snapshot, error) {
	if err := c.work.hold(ctx); err != nil {
		return ledger.Snapshot{}, fmt.Errorf("drain: %w", err)
	}
	errs := []error{c.pipeline.Flush(ctx)}
	for _, s := range c.order {
		rev := s.acquire()
		errs = append(errs, rev.set.FlushMetrics(ctx))
		rev.release()
	}
	snapshot := c.ledger.Snapshot(maxTraces)
	err := errors.Join(errs...)
	if !hold || err != nil {
		c.work.release()
	}
	return snapshot, err
}

// Resume lets new work in after a Flush with hold.
func (c *Company) Resume() { c.work.release() }

// Deploy changes the version of a service from the next request on. A bad version is slower and fails at times; the
// next deployment of the service ends that.
func (c *Company) Deploy(name, version string, bad bool) error {
	s := c.services[name]
	if s == nil || version == "" {
		return fmt.Errorf("deploy needs a version and one of the services %s", strings.Join(Services(), ", "))
	}
	old, err := s.deploy(version)
	if err != nil {
		return err
	}
	c.retiring.Go(func() {
		old.active.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		// The exporter's error is in the ledger; there is nobody else to tell.
		_ = old.set.Close(ctx)
	})
	id := "deploy-" + name
	c.faults.Remove(func(f fault.Fault) bool { return strings.HasPrefix(f.ID, id+"-") })
	if !bad {
		return nil
	}
	_, err1 := c.faults.Add(fault.Fault{ID: id + "-latency", Service: name, Kind: fault.Latency, LatencyMS: 400, Share: 0.5})
	_, err2 := c.faults.Add(fault.Fault{ID: id + "-errors", Service: name, Kind: fault.Errors, Status: 500, Share: 0.2})
	return errors.Join(err1, err2)
}

// applyFaults makes crashes real and wakes the consumers.
func (c *Company) applyFaults() {
	for name, rt := range c.network.routes {
		rt.setCrashed(c.faults.Crashed(name))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}

// faultsChanged is closed at the next change of the faults.
func (c *Company) faultsChanged() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// Close exports what is left and ends the SDKs. Call it after Run has returned: services write telemetry until then.
func (c *Company) Close() error {
	c.closeOnce.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		var errs []error
		c.listener.Close()
		c.network.close()
		c.retiring.Wait()
		for _, s := range c.order {
			if s.rev != nil {
				errs = append(errs, s.rev.set.Close(ctx))
			}
		}
		c.closeErr = errors.Join(append(errs, c.pipeline.Close(ctx))...)
	})
	return c.closeErr
}
