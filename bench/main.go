// Command bench measures a Hinomi binary from outside: CPU-seconds per million
// rows of ingest, bytes per row on disk, and query times, with the data of a
// real microservice system (Nezha, TrainTicket) repeated with fresh ids.
//
// With -url it puts the same bytes and questions to a server that already runs
// (its process id in -pid, so that its CPU time can be read).
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

type options struct {
	binary, url, otlp string
	pid               int
	data              string
	logs, spans       int
	samples, series   int
	senders, batch    int
	rounds            int
	keep              string
	profile           string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&o.binary, "hinomi", "bin/hinomi", "binary to start on free ports with an empty directory")
	fs.StringVar(&o.url, "url", "", "base URL of a running server instead of -hinomi")
	fs.StringVar(&o.otlp, "otlp", "", "OTLP/HTTP base URL of the running server")
	fs.IntVar(&o.pid, "pid", 0, "process id of the running server, to read its CPU time")
	fs.StringVar(&o.data, "data", "../shared/data/nezha-dev.tar.zst", "the data set")
	fs.IntVar(&o.logs, "logs", 1_000_000, "log rows")
	fs.IntVar(&o.spans, "spans", 1_000_000, "spans")
	fs.IntVar(&o.samples, "samples", 3_000_000, "samples (remote write)")
	fs.IntVar(&o.series, "series", 100_000, "series of the samples")
	fs.IntVar(&o.senders, "senders", 4, "concurrent senders")
	fs.IntVar(&o.batch, "batch", 1000, "rows per request")
	fs.IntVar(&o.rounds, "rounds", 30, "repetitions of each query")
	fs.StringVar(&o.keep, "keep", "", "directory to keep the data in; empty: a temporary one")
	fs.StringVar(&o.profile, "profile", "", "write CPU profiles of the log and span load to this directory (-hinomi only)")
	if err := fs.Parse(args); err != nil {
		return err
	}
	set, err := readNezha(o.data)
	if err != nil {
		return err
	}
	srv, err := openServer(ctx, o)
	if err != nil {
		return err
	}
	defer srv.stop()
	fmt.Fprintf(out, "machine: %s\ndata: %s (%d log rows, %d spans), %d senders, requests of %d\n\n", machine(), filepath.Base(o.data), len(set.logs), len(set.spans), o.senders, o.batch)
	fmt.Fprintln(out, "| load | rows | encoded B/row | CPU-s / M rows | rows/s | disk B/row | peak RSS MB |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|")
	for _, l := range []load{logLoad(set, o), spanLoad(set, o), sampleLoad(o)} {
		if l.rows == 0 {
			continue
		}
		res, err := measure(ctx, srv, l, o)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		fmt.Fprintf(out, "| %s | %d | %.0f | %s | %.0f | %s | %s |\n", l.name, l.rows, res.encoded, res.cpu, res.rate, res.disk, res.rss)
	}
	fmt.Fprintf(out, "\n| query | hits | p50 ms | p99 ms |\n|---|---|---|---|\n")
	for _, q := range queries(set, o) {
		r, err := ask(ctx, srv, q, o.rounds)
		if err != nil {
			return fmt.Errorf("query %q: %w", q.name, err)
		}
		fmt.Fprintf(out, "| %s | %s | %.1f | %.1f |\n", q.name, r.hits, r.p50, r.p99)
	}
	return nil
}

func machine() string {
	cpu := "unknown CPU"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		n := 0
		for line := range strings.SplitSeq(string(b), "\n") {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				cpu = strings.TrimLeft(name, "\t: ")
				n++
			}
		}
		cpu = fmt.Sprintf("%d x %s", n, cpu)
	}
	return cpu + ", " + time.Now().UTC().Format(time.DateOnly)
}
