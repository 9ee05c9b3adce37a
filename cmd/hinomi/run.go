package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime/debug"
)

const usage = `hinomi - the fire lookout

  hinomi serve [--config FILE] [--listen ADDR] [--data DIR]   run
  hinomi check config FILE                                    validate a configuration
  hinomi export [--data DIR | --url URL] [--signal logs|traces] [--from T] [--to T]
      [--query SELECTOR] [--format parquet|csv|jsonl] [--out FILE|DIR]
                                                              write records to files
  hinomi version                                              print the version

Without a file, serve uses the defaults: UI and APIs on http://127.0.0.1:4300,
OTLP on 4317 (gRPC) and 4318 (HTTP), data in ./data. SIGHUP reloads the file.
`

// errUsage is when the command line cannot be understood.
var errUsage = errors.New("run 'hinomi help' for the commands")

// run is the whole program but for the process: 0 fine, 1 failed, 2 misuse.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := dispatch(ctx, args, stdout, stderr)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		_, _ = fmt.Fprintln(stderr, "hinomi:", err)
		return 2
	}
	_, _ = fmt.Fprintln(stderr, "hinomi:", err)
	return 1
}

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		_, _ = fmt.Fprint(stderr, usage)
		return errUsage
	}
	switch args[0] {
	case "serve":
		return serve(ctx, args[1:], stderr)
	case "check":
		return check(ctx, args[1:], stdout)
	case "export":
		return exportRecords(ctx, args[1:], stdout, stderr)
	case "version", "--version":
		_, _ = fmt.Fprintln(stdout, "hinomi", version())
		return nil
	case "help", "-h", "--help":
		_, _ = fmt.Fprint(stdout, usage)
		return nil
	}
	return fmt.Errorf("unknown command %q: %w", args[0], errUsage)
}

// version is the module's version, or the commit of a development build.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}
