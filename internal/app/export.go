package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	apiexport "hinomi/internal/api/export"
	"hinomi/internal/config"
	"hinomi/internal/export"
	"hinomi/internal/store"
	"hinomi/internal/store/logstore"
	"hinomi/internal/store/tracestore"
)

// never is an age that no row reaches.
const never = 100 * 365 * 24 * time.Hour

// OpenRecords opens the logs or traces of a data directory that no process uses,
// to read them. Nothing expires, moves or is archived meanwhile.
func OpenRecords(cfg *config.Config, signal string, log *slog.Logger) (store.Scanner, io.Closer, error) {
	section, r := "logs", logRecords(cfg)
	if signal == export.Traces {
		section, r = "traces", traceRecords(cfg)
	}
	if _, err := os.Stat(filepath.Join(cfg.Data.Dir, section)); err != nil {
		return nil, nil, fmt.Errorf("%s has no %s: %w; name the data directory of a Hinomi", cfg.Data.Dir, section, err)
	}
	a := &App{log: log, registry: prometheus.NewRegistry()}
	a.life.log = log
	opts, err := a.records(cfg, section, r)
	if err != nil {
		return nil, nil, err
	}
	if err := a.lockData(cfg.Data.Dir); err != nil {
		return nil, nil, fmt.Errorf("%w; or export from the running one with --url", err)
	}
	opts.Retention, opts.Archive = never, nil
	for i := range opts.Tiers {
		opts.Tiers[i].After = never + time.Duration(i)
	}
	c := &recordsCloser{app: a}
	var s store.Scanner
	if section == "traces" {
		t, err := tracestore.Open(opts)
		if err != nil {
			return nil, nil, errors.Join(err, c.Close())
		}
		s, c.store = t, t
	} else {
		l, err := logstore.Open(opts)
		if err != nil {
			return nil, nil, errors.Join(err, c.Close())
		}
		s, c.store = l, l
	}
	return s, c, nil
}

// recordsCloser closes the store and then gives back the directory.
type recordsCloser struct {
	store io.Closer
	app   *App
}

func (c *recordsCloser) Close() error {
	var err error
	if c.store != nil {
		err = c.store.Close()
	}
	return errors.Join(err, c.app.life.stop(context.Background()))
}

func (a *App) exporter() apiexport.Options {
	return apiexport.Options{Logs: a.stores.logs, Traces: a.stores.traces, Scope: a.scope, Logger: a.log, Now: time.Now}
}
