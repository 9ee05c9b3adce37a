// Package collector runs the embedded OpenTelemetry Collector service. The
// configuration is a Collector configuration, verbatim; the exporter "hinomi"
// leads to the stores. The stores outlive the service, so that a reload
// restarts only the intake.
package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/batchprocessor"
	"go.opentelemetry.io/collector/processor/memorylimiterprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.yaml.in/yaml/v3"

	"hinomi/internal/ingest/gate"
	"hinomi/internal/ingest/otlp"
	"hinomi/internal/model"
)

// startTimeout bounds how long a service may take to open its listeners.
const startTimeout = 30 * time.Second

// Options configure the service.
type Options struct {
	Gate    *gate.Gate
	Scope   model.Scope // what the receivers may write
	Version string
	Logger  *slog.Logger
	// Admission is asked before a request is read; nil: nobody is.
	Admission otlp.Admission

	// direct are the receivers with a short way, and their rows' source.
	direct map[directKey]string
}

// Service runs at most one Collector at a time. Safe for concurrent use.
type Service struct {
	opts Options

	mu      sync.Mutex
	running *instance
}

type instance struct {
	config string
	col    *otelcol.Collector
	done   chan struct{}
	err    error
}

// New returns a service that is not running.
func New(opts Options) *Service { return &Service{opts: opts} }

// Validate builds the whole service from the configuration without starting
// it. Components that are not compiled in are named, with the nearest match.
func Validate(ctx context.Context, opts Options, config map[string]any) error {
	text, err := render(config)
	if err != nil {
		return err
	}
	col, err := newCollector(opts, text)
	if err != nil {
		return err
	}
	if err := col.DryRun(ctx); err != nil {
		return explain(err)
	}
	return nil
}

// Apply makes the configuration the running one. It validates first; when the
// new service cannot start (a taken port), the old one is started again and the
// error returned. An unchanged configuration changes nothing.
func (s *Service) Apply(ctx context.Context, config map[string]any) error {
	text, err := render(config)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil && s.running.config == text {
		return nil
	}
	if err := Validate(ctx, s.opts, config); err != nil {
		return err
	}
	old := s.running
	if old != nil {
		old.stop()
		s.running = nil
	}
	next, err := s.start(ctx, text)
	if err == nil {
		s.running = next
		return nil
	}
	if old == nil {
		return err
	}
	back, rerr := s.start(ctx, old.config)
	if rerr != nil {
		return errors.Join(err, fmt.Errorf("start the previous intake again: %w", rerr))
	}
	s.running = back
	return err
}

// Stop ends the intake: requests under way are answered first.
func (s *Service) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return nil
	}
	s.running.stop()
	err := s.running.err
	s.running = nil
	return err
}

// Running tells whether the intake works; the reason is nil while it does.
func (s *Service) Running() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return errors.New("intake is not running")
	}
	select {
	case <-s.running.done:
		return fmt.Errorf("intake ended: %w", s.running.err)
	default:
		return nil
	}
}

func (s *Service) start(ctx context.Context, text string) (*instance, error) {
	col, err := newCollector(s.opts, text)
	if err != nil {
		return nil, err
	}
	in := &instance{config: text, col: col, done: make(chan struct{})}
	go func() {
		defer close(in.done)
		// The service ends by stop, not with the context of a reload.
		in.err = col.Run(context.WithoutCancel(ctx))
	}()
	deadline := time.After(startTimeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-in.done:
			if in.err == nil {
				in.err = errors.New("intake ended while starting")
			}
			return nil, explain(in.err)
		case <-deadline:
			in.stop()
			return nil, fmt.Errorf("intake did not start within %s", startTimeout)
		case <-tick.C:
			if col.GetState() == otelcol.StateRunning {
				return in, nil
			}
		}
	}
}

func (in *instance) stop() {
	in.col.Shutdown()
	<-in.done
}

func newCollector(opts Options, text string) (*otelcol.Collector, error) {
	opts.direct = directReceivers(text)
	return otelcol.NewCollector(otelcol.CollectorSettings{
		Factories:               func() (otelcol.Factories, error) { return Factories(opts) },
		BuildInfo:               component.BuildInfo{Command: "hinomi", Description: "Hinomi", Version: opts.Version},
		DisableGracefulShutdown: true, // Signals belong to the application.
		SkipSettingGRPCLogger:   true,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{
			ResolverSettings: confmap.ResolverSettings{
				URIs:              []string{"yaml:" + text},
				ProviderFactories: []confmap.ProviderFactory{yamlprovider.NewFactory(), envprovider.NewFactory(), fileprovider.NewFactory()},
				DefaultScheme:     "env",
			},
		},
	})
}

// Factories lists the components that are compiled in.
func Factories(opts Options) (otelcol.Factories, error) {
	var f otelcol.Factories
	var err error
	if f.Receivers, err = otelcol.MakeFactoryMap[receiver.Factory](otlp.NewFactory(opts.Gate.Malformed, opts.shortWay, opts.Admission)); err != nil {
		return f, err
	}
	if f.Processors, err = otelcol.MakeFactoryMap[processor.Factory](batchprocessor.NewFactory(), memorylimiterprocessor.NewFactory()); err != nil {
		return f, err
	}
	if f.Exporters, err = otelcol.MakeFactoryMap[exporter.Factory](newExporterFactory(opts.Gate, opts.Scope)); err != nil {
		return f, err
	}
	f.Telemetry = newTelemetryFactory(opts.Logger)
	return f, nil
}

func render(config map[string]any) (string, error) {
	text, err := yaml.Marshal(config)
	return string(text), err
}

// explain shortens the Collector's error to what the user can act on.
func explain(err error) error {
	text := err.Error()
	text = strings.TrimPrefix(text, "failed to get config: ")
	if strings.Contains(text, "address already in use") {
		return fmt.Errorf("%s: another process listens there; stop it or change the endpoint in the ingest section", text)
	}
	return errors.New(text)
}

// Components names what is compiled in, for documentation and messages.
func Components(opts Options) (map[string][]string, error) {
	f, err := Factories(opts)
	if err != nil {
		return nil, err
	}
	names := func(types []component.Type) []string {
		var out []string
		for _, t := range types {
			out = append(out, t.String())
		}
		slices.Sort(out)
		return out
	}
	return map[string][]string{
		"receivers":  names(slices.Collect(maps.Keys(f.Receivers))),
		"processors": names(slices.Collect(maps.Keys(f.Processors))),
		"exporters":  names(slices.Collect(maps.Keys(f.Exporters))),
	}, nil
}
