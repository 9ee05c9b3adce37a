package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"hinomi/examples/rideshare/fault"
)

const usage = `rideshare is a ride-hailing company of fifteen services that sends OpenTelemetry data.

  rideshare run [--otlp URL] [--listen ADDR] [--rate N] [--rides N [--linger]] [--duration D] [--seed N] [--daily-curve on|off] [--ledger-out FILE]
  rideshare fault add --service NAME --kind latency|errors|crash|dependency_down [--latency-ms N] [--share S] [--status N] [--dependency postgres|redis|kafka]
  rideshare fault list
  rideshare fault clear [--service NAME] [--kind KIND] [--id ID]
  rideshare deploy --service NAME --version V [--bad]
  rideshare ledger [--flush] [--traces N]

fault, deploy and ledger talk to a running company at --target (default http://127.0.0.1:4390).
`

// defaultListen is beside the ports of Hinomi itself.
const defaultListen = "127.0.0.1:4390"

// defaultRate makes about 120 spans and as many log records a second.
const defaultRate = 2.0

var errUsage = errors.New("wrong usage")

// run is the whole command; its result is the exit code: 0, 1 for a failure, 2 for wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := dispatch(ctx, args, stdout, stderr)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintf(stderr, "rideshare: %v\n\n%s", err, usage)
		return 2
	default:
		fmt.Fprintf(stderr, "rideshare: %v\n", err)
		return 1
	}
}

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: a command is missing", errUsage)
	}
	name, rest := args[0], args[1:]
	if name == "fault" {
		if len(rest) == 0 {
			return fmt.Errorf("%w: use fault add, fault list or fault clear", errUsage)
		}
		name, rest = "fault "+rest[0], rest[1:]
	}
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	parse := func() error {
		err := fs.Parse(rest)
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(stdout, usage)
			return err
		}
		if err == nil && fs.NArg() > 0 {
			err = fmt.Errorf("unexpected argument %q", fs.Arg(0))
		}
		if err != nil {
			return fmt.Errorf("%w: %s: %w", errUsage, name, err)
		}
		return nil
	}
	if name == "run" {
		return runCommand(ctx, fs, parse, stdout)
	}
	target := fs.String("target", "http://"+defaultListen, "base URL of a running company")
	send := func(method, path string, body any) error { return request(ctx, method, *target+path, body, stdout) }
	switch name {
	case "fault add":
		var f fault.Fault
		fs.StringVar(&f.ID, "id", "", "id of the fault; one is made when empty")
		fs.StringVar(&f.Service, "service", "", "service")
		fs.StringVar(&f.Kind, "kind", "", "kind of fault")
		fs.IntVar(&f.LatencyMS, "latency-ms", 0, "added latency in milliseconds")
		fs.Float64Var(&f.Share, "share", 1, "share of the requests, above 0 and up to 1")
		fs.IntVar(&f.Status, "status", 0, "HTTP status of kind errors, 500 when empty")
		fs.StringVar(&f.Dependency, "dependency", "", "postgres, redis or kafka")
		if err := parse(); err != nil {
			return err
		}
		return send(http.MethodPost, "/faults", f)
	case "fault list":
		if err := parse(); err != nil {
			return err
		}
		return send(http.MethodGet, "/faults", nil)
	case "fault clear":
		q := url.Values{}
		for _, k := range []string{"id", "service", "kind"} {
			fs.Func(k, "only faults with this "+k, func(v string) error { q.Set(k, v); return nil })
		}
		if err := parse(); err != nil {
			return err
		}
		return send(http.MethodDelete, "/faults?"+q.Encode(), nil)
	case "deploy":
		service, version := fs.String("service", "", "service"), fs.String("version", "", "version")
		bad := fs.Bool("bad", false, "the version is slower and fails at times")
		if err := parse(); err != nil {
			return err
		}
		return send(http.MethodPost, "/deploy", map[string]any{"service": *service, "version": *version, "bad": *bad})
	case "ledger":
		flush, traces := fs.Bool("flush", false, "drain and export everything first"), fs.Int("traces", 200, "how many traces to list")
		if err := parse(); err != nil {
			return err
		}
		if *flush {
			return send(http.MethodPost, fmt.Sprintf("/flush?traces=%d", *traces), nil)
		}
		return send(http.MethodGet, fmt.Sprintf("/ledger?traces=%d", *traces), nil)
	}
	return fmt.Errorf("%w: unknown command %q", errUsage, name)
}

func runCommand(ctx context.Context, fs *flag.FlagSet, parse func() error, stdout io.Writer) error {
	var s settings
	fs.StringVar(&s.listen, "listen", defaultListen, "address of the services and of the fault API")
	fs.StringVar(&s.otlp, "otlp", "http://127.0.0.1:4318", "base URL of an OTLP/HTTP receiver")
	fs.StringVar(&s.ledgerOut, "ledger-out", "", "file for the ledger at the end")
	fs.Uint64Var(&s.seed, "seed", 1, "seed of all outcomes")
	fs.Float64Var(&s.rate, "rate", defaultRate, "rides per second")
	fs.IntVar(&s.rides, "rides", 0, "number of rides, 0 for no end")
	fs.BoolVar(&s.linger, "linger", false, "keep serving after the rides until a signal")
	fs.DurationVar(&s.duration, "duration", 0, "how long to make rides, 0 for no end")
	curve := fs.String("daily-curve", "on", "on or off: the rate follows the hour of the day")
	if err := parse(); err != nil {
		return err
	}
	if *curve != "on" && *curve != "off" {
		return fmt.Errorf("%w: --daily-curve %q; use on or off", errUsage, *curve)
	}
	s.dailyCurve = *curve == "on"
	s.otlp = strings.TrimRight(s.otlp, "/")
	if u, err := url.Parse(s.otlp); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("%w: --otlp %q; use a URL like http://127.0.0.1:4318", errUsage, s.otlp)
	}
	return serve(ctx, s, stdout)
}

// request sends one JSON request to a running company and copies the answer.
func request(ctx context.Context, method, target string, body any, stdout io.Writer) error {
	var payload io.Reader = http.NoBody
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, payload)
	if err != nil {
		return fmt.Errorf("%w: --target: %w", errUsage, err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("no company answers (start one with rideshare run, or give its --target): %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 400 {
		return fmt.Errorf("%s %s answered %d: %s", method, target, resp.StatusCode, bytes.TrimSpace(data))
	}
	_, err = stdout.Write(data)
	return err
}
