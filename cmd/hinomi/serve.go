package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"hinomi/internal/app"
	"hinomi/internal/config"
)

// drainTimeout bounds the shutdown: intake answered, stores flushed.
const drainTimeout = 30 * time.Second

type serveFlags struct{ config, listen, data string }

func (f serveFlags) load() (*config.Config, error) {
	cfg, err := config.Load(f.config)
	if err != nil {
		return nil, err
	}
	if f.listen != "" {
		cfg.Server.Listen = f.listen
	}
	if f.data != "" {
		cfg.Data.Dir = f.data
	}
	return cfg, nil
}

func serve(ctx context.Context, args []string, stderr io.Writer) error {
	var f serveFlags
	fs := flag.NewFlagSet("hinomi serve", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&f.config, "config", "", "configuration file; none: the defaults")
	fs.StringVar(&f.listen, "listen", "", "address of UI, APIs and HTTP intake, in place of server.listen")
	fs.StringVar(&f.data, "data", "", "data directory, in place of data.dir")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("serve takes no argument %q: %w", fs.Arg(0), errUsage)
	}
	cfg, err := f.load()
	if err != nil {
		return err
	}
	var level slog.LevelVar
	setLevel(&level, cfg.LogLevel)
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: &level}))
	a, err := app.New(ctx, app.Options{Config: cfg, Logger: log, Version: version(), WholeProcess: true})
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-hup:
			cfg, err := f.load()
			if err == nil {
				err = a.Reload(ctx, cfg)
			}
			if err != nil {
				log.Error("the configuration was not reloaded, the running one stays", "err", err)
				continue
			}
			setLevel(&level, cfg.LogLevel)
		case <-ctx.Done():
			log.Info("stopping")
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
			defer cancel()
			return a.Stop(stop)
		}
	}
}

func setLevel(v *slog.LevelVar, name string) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(name)); err == nil {
		v.Set(l)
	}
}

func check(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) != 2 || args[0] != "config" {
		return fmt.Errorf("write: hinomi check config FILE: %w", errUsage)
	}
	cfg, err := config.Load(args[1])
	if err != nil {
		return err
	}
	if err := app.Check(ctx, cfg, version()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s is valid\n", args[1])
	return err
}
