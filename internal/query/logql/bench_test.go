package logql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"hinomi/internal/model"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/logstore"
)

// benchRows is large enough that the fixed costs of a query do not show.
const benchRows = 100_000

// benchStore holds an hour of logs of ten services in segments.
func benchStore(b *testing.B) *logstore.Store {
	b.Helper()
	s, err := logstore.Open(columnar.Options{FS: vfs.NewMem(), Dir: "logs", Now: func() time.Time { return scriptZero.Add(time.Hour) }})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	rnd := rand.New(rand.NewPCG(7, 7))
	methods, levels := []string{"GET", "PUT", "POST"}, []string{"info", "info", "info", "warn", "error"}
	for from := 0; from < benchRows; from += benchRows / 10 {
		ld := plog.NewLogs()
		for svc := range 10 {
			rl := ld.ResourceLogs().AppendEmpty()
			rl.Resource().Attributes().PutStr("service.name", fmt.Sprint("svc", svc))
			rl.Resource().Attributes().PutStr("host.name", fmt.Sprint("host", svc%3))
			sl := rl.ScopeLogs().AppendEmpty()
			for i := range benchRows / 100 {
				row := from + i*10 + svc
				lr := sl.LogRecords().AppendEmpty()
				lr.SetTimestamp(pcommon.NewTimestampFromTime(scriptZero.Add(time.Duration(row) * time.Hour / benchRows)))
				level, took := levels[rnd.IntN(len(levels))], rnd.IntN(1000)
				lr.SetSeverityText(level)
				lr.Body().SetStr(fmt.Sprintf("level=%s method=%s path=/api/v1/rides/%d status=%d took=%dms trace=%016x", level, methods[rnd.IntN(3)], rnd.IntN(50), 200+100*rnd.IntN(4), took, rnd.Uint64()))
				lr.Attributes().PutInt("http.status_code", int64(200+100*rnd.IntN(4)))
				lr.Attributes().PutStr("http.method", methods[rnd.IntN(3)])
				var id [16]byte
				for k := range id {
					id[k] = byte(rnd.Uint32())
				}
				lr.SetTraceID(id)
			}
		}
		if _, err := s.AppendLogs(context.Background(), model.ScopeAll(), ld); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Flush(); err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkQueries runs a query of each kind over benchRows rows. B/op and allocs/op
// are the figures to compare; ns/op depends on the machine's other work.
func BenchmarkQueries(b *testing.B) {
	eng, err := New(Options{Store: benchStore(b)})
	if err != nil {
		b.Fatal(err)
	}
	for _, q := range []struct{ name, text string }{
		{"count by label", `sum by (service_name) (count_over_time({service_name=~".+"}[1m]))`},
		{"count by level, volume of Explore", `sum by (level, detected_level) (count_over_time({service_name=~".+"} | drop __error__ [1m]))`},
		{"rate with substring", `sum(rate({service_name=~"svc[1-5]"} |= "status=500" [1m]))`},
		{"rate with regexp of literals", `sum(rate({service_name=~".+"} |~ "status=(500|400)" [1m]))`},
		{"rate with regexp", `sum(rate({service_name=~".+"} |~ "rides/1. status=5.." [1m]))`},
		{"filter by number", `sum by (http_method) (count_over_time({service_name=~".+"} | http_status_code >= 500 [1m]))`},
		{"bytes", `sum by (service_name) (bytes_over_time({service_name=~".+"}[1m]))`},
		{"logfmt by one label", `sum by (method) (count_over_time({service_name=~".+"} | logfmt [1m]))`},
		{"logfmt unwrap", `avg_over_time({service_name="svc1"} | logfmt | unwrap duration(took) [1m]) by (method)`},
		{"count without by, parser not needed", `sum(count_over_time({service_name=~".+"} | logfmt [1m]))`},
		{"newest 100 lines", `{service_name="svc1"}`},
		{"newest 100 lines of a filter", `{service_name=~".+"} | logfmt | status = 500 | took > 900ms`},
	} {
		b.Run(q.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				res, err := eng.Range(context.Background(), model.ScopeAll(), Request{Query: q.text, Start: scriptZero, End: scriptZero.Add(time.Hour), Step: time.Minute, Limit: 100})
				if err != nil {
					b.Fatal(err)
				}
				if len(res.Series)+len(res.Streams) == 0 {
					b.Fatal("an empty answer")
				}
			}
		})
	}
}
