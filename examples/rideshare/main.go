// Command rideshare is a ride-hailing company of fifteen services that sends real OpenTelemetry data, with faults to
// inject and a ledger of what it did. See README.md in this folder.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
