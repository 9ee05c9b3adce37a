// Package app is the running program as a value. It is the one place that knows
// every part and how they are wired.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/prometheus/promql"

	"hinomi/internal/alerting"
	"hinomi/internal/config"
	"hinomi/internal/ingest/collector"
	"hinomi/internal/ingest/gate"
	"hinomi/internal/ingest/ledger"
	"hinomi/internal/ingest/scrape"
	"hinomi/internal/memory"
	"hinomi/internal/model"
	"hinomi/internal/notify"
	"hinomi/internal/rules"
)

// Options are what main gives to New.
type Options struct {
	Config  *config.Config
	Logger  *slog.Logger
	Version string
	// WholeProcess is when the process is this App and nothing else: the limit of
	// memory is then that of the Go runtime too.
	WholeProcess bool
}

// App is one Hinomi. New, then Start once, then any number of Reloads, then
// Stop. Several may run in one process.
type App struct {
	opts     Options
	log      *slog.Logger
	registry *prometheus.Registry
	started  time.Time

	reload    sync.Mutex // one Start, Reload or Stop at a time
	cfg       atomic.Pointer[config.Config]
	handler   atomic.Pointer[http.Handler] // nil until ready
	life      lifecycle
	memory    *memory.Budget
	addr      net.Addr
	collector *collector.Service
	ledger    *ledger.Ledger
	gate      *gate.Gate
	stores    *stores
	exemplars *exemplarTraces
	scraper   *scrape.Scraper
	engine    promql.QueryEngine
	worker    *notify.Worker
	alerting  *alerting.Manager
	rules     *rules.Manager
}

// New checks the configuration without starting anything.
func New(ctx context.Context, opts Options) (*App, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	a := &App{opts: opts, log: opts.Logger, registry: prometheus.NewRegistry(), started: time.Now()}
	a.life.log = a.log
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.cfg.Store(opts.Config)
	a.memory = memory.New(opts.Config.Limits.Bytes(), a.registry)
	if err := Check(ctx, opts.Config, opts.Version); err != nil {
		return nil, err
	}
	return a, nil
}

// Start opens the port, then the stores, who notifies, the intake, and last the
// rules. When it fails everything that was started is stopped.
func (a *App) Start(ctx context.Context) (err error) {
	a.reload.Lock()
	defer a.reload.Unlock()
	defer func() {
		if err != nil {
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
			defer cancel()
			err = errors.Join(err, a.life.stop(stop))
		}
	}()
	cfg := a.cfg.Load()
	if a.opts.WholeProcess {
		a.life.goRun("memory", a.memory.Run)
	}
	// The lock first: nothing of another process's data is touched.
	if err := a.lockData(cfg.Data.Dir); err != nil {
		return err
	}
	// Live before ready: health answers while the stores recover.
	if err := a.listen(cfg.Server.Listen); err != nil {
		return err
	}
	if err := a.openStores(ctx, cfg); err != nil {
		return err
	}
	h, err := a.build(ctx, cfg)
	if err != nil {
		return err
	}
	if a.opts.WholeProcess {
		debug.FreeOSMemory() // starting leaves as much garbage as there is memory in use
	}
	a.handler.Store(&h)
	a.log.Info("ready", "url", "http://"+a.addr.String(), "data", cfg.Data.Dir, "took", time.Since(a.started).Round(time.Millisecond))
	return nil
}

// stopTimeout bounds Stop when its context has no deadline of its own.
const stopTimeout = 30 * time.Second

// Stop is the reverse: the rules end while data still arrives, because absent()
// would fire otherwise, then the intake, and the stores are flushed last. It
// returns when ctx ends, at the latest.
func (a *App) Stop(ctx context.Context) error {
	a.reload.Lock()
	defer a.reload.Unlock()
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	return a.life.stop(ctx)
}

// Addr is where the HTTP port listens.
func (a *App) Addr() string { return a.addr.String() }

// Scope is what a request may reach. There is no access control yet: whoever
// reaches the port, which is loopback by default, reaches everything.
func (a *App) scope(*http.Request) model.Scope { return model.ScopeAll() }

// lockData makes and locks the data directory.
func (a *App) lockData(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("data.dir %s cannot be made: %w; choose a directory that this user can write", dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return fmt.Errorf("data.dir %s is not writable: %w; choose a directory that this user can write", dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return fmt.Errorf("data.dir %s is in use by another Hinomi: stop it or choose another directory", dir)
	}
	a.life.add("data lock", func(context.Context) error { return f.Close() })
	return nil
}

// syncDirs makes the entries of the data directory, and its own, durable: the
// stores sync what is inside of theirs.
func syncDirs(dir string) error {
	for _, d := range []string{dir, filepath.Dir(filepath.Clean(dir))} {
		f, err := os.Open(d)
		if errors.Is(err, os.ErrPermission) {
			continue // A directory that we may not read was not made by us.
		}
		if err != nil {
			return err
		}
		err = f.Sync()
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return fmt.Errorf("sync %s: %w", d, err)
		}
	}
	return nil
}

// listen opens the port and serves health at once.
func (a *App) listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("server.listen %s: another process listens there; stop it or choose another port", addr)
		}
		return fmt.Errorf("server.listen %s: %w", addr, err)
	}
	a.addr = l.Addr()
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true) // Tempo's streaming search is gRPC.
	srv := &http.Server{
		Handler: http.HandlerFunc(a.serve), Protocols: &protocols,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	a.life.goRun("http server", func(ctx context.Context) error {
		ended := make(chan error, 1)
		go func() { ended <- srv.Serve(l) }()
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
		}
		stop, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := srv.Shutdown(stop)
		if err != nil {
			// A stream that never ends is cut.
			err = srv.Close()
		}
		<-ended
		return err
	})
	return nil
}
