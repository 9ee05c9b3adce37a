// Command bench measures a Hinomi binary from outside: CPU-seconds per million
// rows of ingest, bytes per row on disk, and query times, with the data of a
// real microservice system (Nezha, TrainTicket) repeated with fresh ids.
//
// With -url it puts the same bytes and the same questions to another server that
// already runs, with an empty data directory:
//
//	bench -answers file                                     Hinomi first
//	bench -answers file -url http://host:port -dialect loki -pid n -dir its/data
//
// The dialect says what is sent and how it is asked: loki takes logs, prometheus
// samples, tempo, jaeger and victorialogs what they store; "jaeger" with
// -url http://host:port/select/jaeger -otlp http://host:port/insert/opentelemetry
// is VictoriaTraces. A path before the APIs belongs into -url. A time counts only
// where the answer is the one in the file; other rows say both answers and have
// their times in brackets.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

type options struct {
	binary, url, otlp string
	pid               int
	dir               string
	data              string
	logs, spans       int
	samples, series   int
	senders, batch    int
	rounds            int
	keep              string
	again             bool
	profile           string
	dialect           string
	answers           string
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
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.binary, "hinomi", "bin/hinomi", "binary to start on free ports with an empty directory")
	flags.StringVar(&o.url, "url", "", "base URL of a running server instead of -hinomi")
	flags.StringVar(&o.otlp, "otlp", "", "OTLP/HTTP base URL of the running server; empty: -url")
	flags.IntVar(&o.pid, "pid", 0, "process id of the running server, to read its CPU time and memory")
	flags.StringVar(&o.dir, "dir", "", "data directory of the running server, to read its size; it should be empty at first")
	flags.StringVar(&o.data, "data", "../shared/data/nezha-dev.tar.zst", "the data set")
	flags.IntVar(&o.logs, "logs", 1_000_000, "log rows")
	flags.IntVar(&o.spans, "spans", 1_000_000, "spans")
	flags.IntVar(&o.samples, "samples", 3_000_000, "samples (remote write)")
	flags.IntVar(&o.series, "series", 100_000, "series of the samples")
	flags.IntVar(&o.senders, "senders", 4, "concurrent senders")
	flags.IntVar(&o.batch, "batch", 1000, "rows per request")
	flags.IntVar(&o.rounds, "rounds", 30, "repetitions of each query")
	flags.StringVar(&o.keep, "keep", "", "directory to keep the data in; empty: a temporary one; with -url it keeps only what -again needs")
	flags.BoolVar(&o.again, "again", false, "load nothing: ask the questions again of what a run with -keep and the same numbers of rows left")
	flags.StringVar(&o.profile, "profile", "", "write CPU profiles of the log and span load to this directory (-hinomi only)")
	flags.StringVar(&o.dialect, "dialect", own, "what the server at -url speaks: "+strings.Join(slices.Sorted(maps.Keys(dialects)), ", "))
	flags.StringVar(&o.answers, "answers", "", "file of answers: written when it does not exist, else a time counts only where the answer is the same")
	if err := flags.Parse(args); err != nil {
		return err
	}
	d, err := dialectOf(o.dialect)
	if err != nil {
		return err
	}
	set, err := readNezha(o.data)
	if err != nil {
		return err
	}
	if err := keepBegan(o); err != nil {
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
	if o.again {
		if err := srv.start(ctx); err != nil {
			return err
		}
	}
	for _, l := range []load{logLoad(set, o, d), spanLoad(set, o, d), sampleLoad(o, d)} {
		if l.rows == 0 || l.path == "" || o.again {
			continue
		}
		res, err := measure(ctx, srv, l, o)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		fmt.Fprintf(out, "| %s | %d | %.0f | %s | %.0f | %s | %s |\n", l.name, l.rows, res.encoded, res.cpu, res.rate, res.disk, res.rss)
	}
	known, err := readAnswers(o.answers)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n| query | answer | p50 ms | p99 ms |\n|---|---|---|---|\n")
	got := map[string]string{}
	for _, q := range queries(set, o) {
		address, ok := d.address(srv.base, q)
		if !ok {
			continue
		}
		r, err := ask(ctx, srv, address, q.limit, o.rounds)
		want, compare := known[q.name]
		switch {
		case err != nil && (!compare || ctx.Err() != nil):
			return fmt.Errorf("query %q: %w", q.name, err)
		case err != nil:
			fmt.Fprintf(out, "| %s | %q, should be %s | - | - |\n", q.name, err, want)
		case compare && want != r.text:
			fmt.Fprintf(out, "| %s | %s, should be %s | (%.1f) | (%.1f) |\n", q.name, r.text, want, r.p50, r.p99)
		default:
			fmt.Fprintf(out, "| %s | %s | %.1f | %.1f |\n", q.name, r.text, r.p50, r.p99)
		}
		got[q.name] = r.text
	}
	return writeAnswers(o.answers, known, got)
}

// keepBegan decides, and notes beside the data, when its rows seem to have happened, or reads that.
func keepBegan(o options) error {
	began = beginning(o, time.Now())
	if o.keep == "" {
		return nil
	}
	file := filepath.Join(o.keep, "began")
	if !o.again {
		return os.WriteFile(file, []byte(strconv.FormatInt(began, 10)), 0o600)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	began, err = strconv.ParseInt(string(b), 10, 64)
	return err
}

// readAnswers returns the answers of an earlier run, nil when there was none.
func readAnswers(file string) (known map[string]string, err error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &known); err != nil {
		return nil, fmt.Errorf("%s is no file of answers; give another name to have it written: %w", file, err)
	}
	return known, nil
}

func writeAnswers(file string, known, got map[string]string) error {
	if file == "" || known != nil {
		return nil
	}
	b, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o600)
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
