package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	apiexport "hinomi/internal/api/export"
	"hinomi/internal/app"
	"hinomi/internal/config"
	"hinomi/internal/export"
	"hinomi/internal/model"
	"hinomi/internal/store"
)

// errIncomplete is when an export was written but parts of the store could not be
// read.
var errIncomplete = errors.New("the export is incomplete")

type exportFlags struct {
	config, data, url, query, out string
	from, to                      string
	req                           export.Request
}

// exportRecords writes logs or traces of a data directory or of a running Hinomi.
func exportRecords(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var f exportFlags
	fs := flag.NewFlagSet("hinomi export", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&f.config, "config", "", "configuration file, for its data directory and tiers")
	fs.StringVar(&f.data, "data", "", "data directory that no Hinomi uses, in place of data.dir")
	fs.StringVar(&f.url, "url", "", "a running Hinomi to export from, for example http://127.0.0.1:4300")
	fs.StringVar(&f.req.Signal, "signal", export.Logs, "logs or traces")
	fs.StringVar(&f.from, "from", "", "first time, for example 2026-11-21 or 2026-11-21T08:00:00Z; default: the beginning")
	fs.StringVar(&f.to, "to", "", "time after the last; default: the end")
	fs.StringVar(&f.query, "query", "", `logs only: a LogQL selector, with line filters and filters on stored labels`)
	fs.StringVar(&f.req.Format, "format", export.JSONL, "parquet, csv or jsonl")
	fs.StringVar(&f.out, "out", "-", "file; an existing directory: a file for each day (UTC); -: standard output")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("export takes no argument %q: %w", fs.Arg(0), errUsage)
	}
	if f.url != "" && (f.data != "" || f.config != "") {
		return fmt.Errorf("give either --url or a data directory: %w", errUsage)
	}
	f.req.To = time.Now().Add(24 * time.Hour).UnixNano()
	for text, to := range map[*string]*int64{&f.from: &f.req.From, &f.to: &f.req.To} {
		if *text == "" {
			continue
		}
		var err error
		if *to, err = export.ParseTime(*text); err != nil {
			return err
		}
	}
	if err := f.req.Validate(); err != nil {
		return err
	}
	write, end, err := f.source(ctx, stderr)
	if err != nil {
		return err
	}
	return errors.Join(f.write(ctx, write, stdout), end())
}

// source returns how a range is written. missing is how many parts of the store
// could not be read.
func (f *exportFlags) source(ctx context.Context, stderr io.Writer) (write writeRange, end func() error, err error) {
	if f.url != "" {
		return f.fromServer, func() error { return nil }, nil
	}
	cfg, err := config.Load(f.config)
	if err != nil {
		return nil, nil, err
	}
	if f.data != "" {
		cfg.Data.Dir = f.data
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, closer, err := app.OpenRecords(cfg, f.req.Signal, log)
	if err != nil {
		return nil, nil, err
	}
	where, err := export.Where(ctx, s, model.ScopeAll(), f.req, f.query)
	if err != nil {
		return nil, nil, errors.Join(err, closer.Close())
	}
	return func(ctx context.Context, r export.Request, w io.Writer) (int, error) {
		r.Where = where
		var stats store.ScanStats
		stats, err := export.Write(ctx, s, model.ScopeAll(), r, w)
		return stats.Quarantined + stats.Unreachable, err
	}, closer.Close, nil
}

type writeRange func(ctx context.Context, r export.Request, w io.Writer) (missing int, err error)

// fromServer streams a range from a running Hinomi.
func (f *exportFlags) fromServer(ctx context.Context, r export.Request, w io.Writer) (int, error) {
	at := func(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }
	q := url.Values{"signal": {r.Signal}, "format": {r.Format}, "start": {at(r.From)}, "end": {at(r.To)}}
	if f.query != "" {
		q.Set("query", f.query)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(f.url, "/")+apiexport.Path+"?"+q.Encode(), nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return 0, fmt.Errorf("%s answers %s: %s", f.url, resp.Status, strings.TrimSpace(string(text)))
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return 0, fmt.Errorf("the export broke off: %w", err)
	}
	missing, err := strconv.Atoi(resp.Trailer.Get(apiexport.MissingTrailer))
	if err != nil {
		return 0, errors.New("the answer has no end: is there a proxy in between that cuts it or drops trailers?")
	}
	return missing, nil
}

// write writes all to one stream or each day to a file.
func (f *exportFlags) write(ctx context.Context, write writeRange, stdout io.Writer) error {
	total := 0
	if f.out == "-" {
		missing, err := write(ctx, f.req, stdout)
		if err != nil {
			return err
		}
		total = missing
	} else if st, err := os.Stat(f.out); err == nil && st.IsDir() {
		if f.from == "" {
			return fmt.Errorf("a file for each day needs --from: %w", errUsage)
		}
		const day = int64(24 * time.Hour)
		for from := f.req.From; from < f.req.To; {
			r := f.req
			r.From, r.To = from, min((from/day+1)*day, f.req.To)
			from = r.To
			name := fmt.Sprintf("%s-%s.%s", r.Signal, time.Unix(0, r.From).UTC().Format(time.DateOnly), r.Format)
			missing, err := writeFile(ctx, write, r, filepath.Join(f.out, name))
			if err != nil {
				return err
			}
			total += missing
		}
	} else {
		missing, err := writeFile(ctx, write, f.req, f.out)
		if err != nil {
			return err
		}
		total = missing
	}
	if total > 0 {
		return fmt.Errorf("%w: %d parts of the store are damaged or cannot be reached now", errIncomplete, total)
	}
	return nil
}

// writeFile writes a file that appears when it is whole.
func writeFile(ctx context.Context, write writeRange, r export.Request, name string) (missing int, err error) {
	tmp, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".part-*")
	if err != nil {
		return 0, err
	}
	missing, err = write(ctx, r, tmp)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(tmp.Name()))
	}
	return missing, nil
}
