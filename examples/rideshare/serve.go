package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"hinomi/examples/rideshare/company"
	"hinomi/examples/rideshare/telemetry"
	"hinomi/examples/rideshare/traffic"
)

// settings of `rideshare run`.
type settings struct {
	listen, otlp, ledgerOut string
	seed                    uint64
	rate                    float64
	rides                   int
	duration                time.Duration
	dailyCurve, linger      bool
}

// serve runs the company and its riders. It ends with the context, after the duration, or after the rides unless it
// lingers; all work is then drained and exported, and the ledger is written.
func serve(ctx context.Context, s settings, out io.Writer) error {
	c, err := company.New(ctx, company.Options{Listen: s.listen, Seed: s.seed, Telemetry: telemetry.Options{Endpoint: s.otlp}})
	if err != nil {
		return err
	}
	riders, err := traffic.New(traffic.Options{Do: c.Do, Seed: s.seed, Rate: s.rate, Rides: s.rides, DailyCurve: s.dailyCurve})
	if err != nil {
		return errors.Join(err, c.Close())
	}
	fmt.Fprintf(out, "rideshare: 15 services on http://%s, telemetry to %s, seed %d\n", c.Addr(), s.otlp, s.seed)

	// The company outlives the riders: it has to answer until the last ride is over.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	served := make(chan error, 1)
	go func() { served <- c.Run(serving) }()

	riding, stopRiders := context.WithCancel(ctx)
	if s.duration > 0 {
		riding, stopRiders = context.WithTimeout(ctx, s.duration)
	}
	defer stopRiders()
	err = riders.Run(riding)
	if s.rides > 0 && s.linger && riding.Err() == nil {
		fmt.Fprintf(out, "rideshare: %d rides made, waiting for a signal\n", s.rides)
		<-riding.Done()
	}
	// Whoever sent a signal waits for the end; a run that ended by itself has time to deliver everything.
	patience := time.Minute
	if ctx.Err() != nil {
		patience = 8 * time.Second
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	// No hold here: nothing enters any more, and the flush tells what was not delivered.
	snapshot, flushErr := c.Flush(grace, 1<<20, false)
	if flushErr != nil {
		snapshot = c.Ledger().Snapshot(1 << 20)
		err = errors.Join(err, fmt.Errorf("not everything was delivered: %w", flushErr))
	}
	stop()
	err = errors.Join(err, <-served, c.Close())
	fmt.Fprintf(out, "rideshare: %.0f rides requested, %.0f completed, %d requests, %d spans, %d log records\n", snapshot.Counter("rides_requested_total"),
		snapshot.Counter("rides_completed_total"), snapshot.Totals.Requests, snapshot.Totals.Spans, snapshot.Totals.Logs)
	if s.ledgerOut != "" {
		data, jsonErr := json.MarshalIndent(snapshot, "", " ")
		err = errors.Join(err, jsonErr, os.WriteFile(s.ledgerOut, data, 0o644))
	}
	return err
}
