//go:build clients

package clients

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/thanos-io/objstore/providers/filesystem"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/logstore"
	"hinomi/internal/store/storetest"
	"hinomi/internal/store/tracestore"
)

// TestDuckDBReadsTheArchive compares every value in the archive of a week of logs
// and traces, and the rows of each day and product.
func TestDuckDBReadsTheArchive(t *testing.T) {
	root := filepath.Join(t.TempDir(), "archive")
	bucket, err := filesystem.NewBucket(root)
	if err != nil {
		t.Fatal(err)
	}
	now := storetest.Now
	options := func(name string) columnar.Options {
		return columnar.Options{
			Dir: filepath.Join(t.TempDir(), name), Retention: 100 * 24 * time.Hour, Now: func() time.Time { return now },
			MergeAfter: 2, Archive: &columnar.Archive{Signal: name, Bucket: bucket, After: time.Hour},
		}
	}
	rng := rand.New(rand.NewPCG(11, 12))
	logs, err := logstore.Open(options("logs"))
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	traces, err := tracestore.Open(options("traces"))
	if err != nil {
		t.Fatal(err)
	}
	defer traces.Close()
	for range 6 {
		for range 10 {
			_, lerr := logs.AppendLogs(t.Context(), model.ScopeAll(), someLogs(rng, now))
			_, terr := traces.AppendTraces(t.Context(), model.ScopeAll(), someSpans(rng, now))
			if err := errors.Join(lerr, terr); err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(12 * time.Hour)
		if err := errors.Join(logs.Flush(), traces.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(5 * 24 * time.Hour)
	want, digests := map[string]int{}, map[string]string{}
	for signal, table := range map[string]*columnar.Table{"logs": logs.Table, "traces": traces.Table} {
		if err := errors.Join(table.CompactNow(), table.MoveDue(t.Context())); err != nil {
			t.Fatal(err)
		}
		_, err := table.Scan(t.Context(), model.ScopeAll(), store.ScanRequest{To: 1 << 62, Columns: []store.ColumnRef{store.Col(store.ColTime), store.Col(store.ColProduct)}}, func(b *store.Batch) error {
			for i := range b.N {
				want[signal+" "+time.Unix(0, b.Cols[0].Ints[i]).UTC().Format(time.DateOnly)+" "+b.Cols[1].Str(i)]++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		d, err := table.Digest()
		if err != nil {
			t.Fatal(err)
		}
		for file, sum := range d {
			digests[signal+" "+path.Base(file)] = sum
		}
	}
	var got struct {
		Files     map[string]string
		Days      map[string]int
		Elsewhere int
	}
	node(t, &got, "archive.mjs", root)
	if !maps.Equal(got.Days, want) || got.Elsewhere != 0 || len(want) < 4 {
		t.Errorf("DuckDB counts %v, %d in the wrong folder\nwant %v", got.Days, got.Elsewhere, want)
	}
	name := regexp.MustCompile(`signal=(\w+)/year=\d{4}/month=\d\d/day=\d\d/(\d{12})-[0-9a-f]{8}\.parquet$`)
	for file, sum := range got.Files {
		m := name.FindStringSubmatch(filepath.ToSlash(file))
		if m == nil {
			t.Errorf("unexpected file %s", file)
			continue
		}
		key := m[1] + " " + m[2] + ".parquet"
		if digests[key] != sum {
			t.Errorf("%s: DuckDB's digest is %s, ours %s", file, sum, digests[key])
		}
		delete(digests, key)
	}
	if len(digests) != 0 {
		t.Errorf("not in the archive: %v", digests)
	}
}

// someLogs are random records of the last seconds, of two products.
func someLogs(rng *rand.Rand, now time.Time) plog.Logs {
	ld := storetest.RandomLogs(rng, 60)
	for i := range ld.ResourceLogs().Len() {
		rl := ld.ResourceLogs().At(i)
		if rng.IntN(2) == 0 {
			rl.Resource().Attributes().PutStr(model.ResourceProduct, "shop")
		}
		records := rl.ScopeLogs().At(0).LogRecords()
		for k := range records.Len() {
			at := records.At(k).Timestamp().AsTime().Add(now.Sub(storetest.Now))
			records.At(k).SetTimestamp(pcommon.NewTimestampFromTime(at))
		}
	}
	return ld
}

// someSpans are random spans with events, links and attributes of every type.
func someSpans(rng *rand.Rand, now time.Time) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", fmt.Sprint("service-", rng.IntN(3)))
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	for range 80 {
		sp := spans.AppendEmpty()
		sp.SetTraceID(pcommon.TraceID{1, byte(rng.IntN(50)), byte(rng.IntN(4))})
		sp.SetSpanID(pcommon.SpanID{2, byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32())})
		sp.SetName(fmt.Sprint("GET /", rng.IntN(9)))
		start := now.Add(-time.Duration(rng.IntN(60_000)) * time.Millisecond)
		sp.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
		sp.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(time.Duration(rng.IntN(1e9)))))
		sp.Attributes().PutInt("http.status", int64(rng.IntN(600)))
		sp.Attributes().PutDouble("share", rng.Float64())
		sp.Attributes().PutBool("cached", rng.IntN(2) == 0)
		if rng.IntN(40) == 0 {
			sp.Attributes().PutStr(fmt.Sprint("rare-", rng.IntN(100)), "日本")
		}
		if rng.IntN(3) == 0 {
			e := sp.Events().AppendEmpty()
			e.SetName("retry")
			e.SetTimestamp(sp.EndTimestamp())
			sp.Links().AppendEmpty().SetTraceID(pcommon.TraceID{9})
		}
	}
	return td
}
