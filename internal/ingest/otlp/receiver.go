package otlp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"google.golang.org/grpc"
)

// otlpReceiver is started and stopped once, whoever of its signals comes first.
type otlpReceiver struct {
	cfg       *otlpreceiver.Config
	set       receiver.Settings
	malformed Malformed
	traces    consumer.Traces
	metrics   consumer.Metrics
	logs      consumer.Logs

	directTraces, directLogs *Direct // nil: through the pipeline

	admission           Admission
	maxMessage          int       // of gRPC
	bodies              sync.Pool // *[]byte
	unpackers           sync.Pool // *zstd.Decoder
	startOnce, stopOnce sync.Once
	startErr, stopErr   error
	grpc                *grpc.Server
	http                *http.Server
	wg                  sync.WaitGroup
}

// Start opens the listeners.
func (r *otlpReceiver) Start(ctx context.Context, host component.Host) error {
	r.startOnce.Do(func() {
		if r.startErr = r.startGRPC(ctx, host); r.startErr == nil {
			r.startErr = r.startHTTP(ctx, host)
		}
		if r.startErr != nil {
			r.startErr = errors.Join(r.startErr, r.Shutdown(ctx))
		}
	})
	return r.startErr
}

// Shutdown answers what is under way and closes the listeners.
func (r *otlpReceiver) Shutdown(ctx context.Context) error {
	r.stopOnce.Do(func() {
		if r.http != nil {
			r.stopErr = r.http.Shutdown(ctx)
		}
		if r.grpc != nil {
			r.stopGRPC(ctx)
		}
		r.wg.Wait()
	})
	return r.stopErr
}

// stopGRPC ends gracefully, but not later than ctx: a client that keeps its
// stream open must not keep the process alive.
func (r *otlpReceiver) stopGRPC(ctx context.Context) {
	done := make(chan struct{})
	r.wg.Go(func() {
		r.grpc.GracefulStop()
		close(done)
	})
	select {
	case <-done:
	case <-ctx.Done():
		r.grpc.Stop()
	}
}

func (r *otlpReceiver) startGRPC(ctx context.Context, host component.Host) error {
	if !r.cfg.Protocols.GRPC.HasValue() {
		return nil
	}
	cfg := r.cfg.Protocols.GRPC.Get()
	r.maxMessage = r.largestMessage(cfg.MaxRecvMsgSizeMiB)
	var err error
	if r.grpc, err = cfg.ToServer(ctx, host.GetExtensions(), r.set.TelemetrySettings, configgrpc.WithGrpcServerOption(grpc.ForceServerCodecV2(bytesCodec{})), configgrpc.WithGrpcServerOption(grpc.MaxRecvMsgSize(r.maxMessage))); err != nil {
		return err
	}
	if r.traces != nil {
		r.register(r.tracesCall())
	}
	if r.metrics != nil {
		r.register(r.metricsCall())
	}
	if r.logs != nil {
		r.register(r.logsCall())
	}
	l, err := cfg.NetAddr.Listen(ctx)
	if err != nil {
		return err
	}
	r.serve(host, func() error { return r.grpc.Serve(l) })
	return nil
}

func (r *otlpReceiver) startHTTP(ctx context.Context, host component.Host) error {
	if !r.cfg.Protocols.HTTP.HasValue() {
		return nil
	}
	cfg := r.cfg.Protocols.HTTP.Get()
	mux := http.NewServeMux()
	if r.traces != nil {
		mux.Handle(string(cfg.TracesURLPath), r.handler(r.tracesCall()))
	}
	if r.metrics != nil {
		mux.Handle(string(cfg.MetricsURLPath), r.handler(r.metricsCall()))
	}
	if r.logs != nil {
		mux.Handle(string(cfg.LogsURLPath), r.handler(r.logsCall()))
	}
	srv, err := cfg.ServerConfig.ToServer(ctx, host.GetExtensions(), r.set.TelemetrySettings, mux, confighttp.WithErrorHandler(r.undecompressed), confighttp.WithDecoder("zstd", r.unzstd))
	if err != nil {
		return err
	}
	var l net.Listener
	if l, err = cfg.ServerConfig.ToListener(ctx); err != nil {
		return err
	}
	srv.Handler = r.admit(srv.Handler)
	r.http = srv
	r.serve(host, func() error { return srv.Serve(l) })
	return nil
}

func (r *otlpReceiver) serve(host component.Host, run func() error) {
	r.wg.Go(func() {
		err := run()
		if err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, grpc.ErrServerStopped) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(err))
		}
	})
}
