package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// Now is the time the stores under test must be told by their clock.
var Now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// LogStoreUnderTest is a log store with a way to move rows to where they stay.
type LogStoreUnderTest interface {
	store.LogStore
	Flush() error
}

// RunLogStore is the contract of store.LogStore: random records, random
// predicates, every kind of column, answers equal to the naive store's, both
// while rows are in memory and after they were moved to disk.
func RunLogStore(t *testing.T, open func(t *testing.T) LogStoreUnderTest) {
	t.Run("answers equal the naive store's", func(t *testing.T) { equalAnswers(t, open(t)) })
	t.Run("another product's rows cannot be reached", func(t *testing.T) { logScopes(t, open(t)) })
	t.Run("order and skip", func(t *testing.T) { orderAndSkip(t, open(t)) })
	t.Run("budgets and cancellation", func(t *testing.T) { budgets(t, open(t)) })
}

func equalAnswers(t *testing.T, s LogStoreUnderTest) {
	rng := rand.New(rand.NewPCG(7, 11))
	naive := New()
	ctx := context.Background()
	for round := range 4 {
		for range 6 {
			ld := RandomLogs(rng, 40)
			cp := plog.NewLogs()
			ld.CopyTo(cp)
			want, err := naive.AppendLogs(ctx, model.ScopeAll(), cp)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.AppendLogs(ctx, model.ScopeAll(), ld)
			if err != nil || got.Stored != want.Stored {
				t.Fatalf("append: stored %d want %d: %v", got.Stored, want.Stored, err)
			}
		}
		compareRandom(t, fmt.Sprintf("round %d", round), rng, naive, s)
		if round%2 == 1 {
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
			compareRandom(t, fmt.Sprintf("round %d flushed", round), rng, naive, s)
		}
	}
}

func compareRandom(t *testing.T, where string, rng *rand.Rand, naive, s store.Scanner) {
	t.Helper()
	matched := 0
	defer func() {
		if matched == 0 {
			t.Errorf("%s: no random predicate matched anything: the comparison proves nothing", where)
		}
	}()
	for range 60 {
		req := store.ScanRequest{Where: RandomPred(rng, 3), Columns: AllLogColumns}
		req.From = Now.Add(-time.Duration(rng.IntN(4000)) * time.Millisecond).UnixNano()
		req.To = req.From + int64(time.Duration(rng.IntN(5000))*time.Millisecond)
		want, got := Rows(t, naive, model.ScopeAll(), req), Rows(t, s, model.ScopeAll(), req)
		matched += len(got)
		if !slices.Equal(want, got) {
			t.Fatalf("%s: %#v in [%d, %d)\nwant %d rows, got %d\nmissing %s\nunexpected %s", where, req.Where, req.From, req.To,
				len(want), len(got), strings.Join(minus(want, got), "\n"), strings.Join(minus(got, want), "\n"))
		}
	}
}

func minus(a, b []string) []string {
	var out []string
	for _, x := range a {
		if !slices.Contains(b, x) && len(out) < 3 {
			out = append(out, x)
		}
	}
	return out
}

// AllLogColumns reads one column of every scope.
var AllLogColumns = []store.ColumnRef{
	store.Col(store.ColTime), store.Col(store.ColService), store.Col(store.ColStream), store.Col(store.ColLevel), store.Col(store.ColSeverity),
	store.Col(store.ColBody), store.Col(store.ColTraceID), store.Col(store.ColProduct),
	{Scope: store.Attr, Name: "status"}, {Scope: store.Attr, Name: "user"}, {Scope: store.Attr, Name: "ok"}, {Scope: store.Attr, Name: "ratio"},
	{Scope: store.Attr, Name: "rare"}, {Scope: store.Attr, Name: "absent"},
	{Scope: store.Resource, Name: "host.name"}, {Scope: store.Resource, Name: "pid"},
	{Scope: store.Stream, Name: "service_name"}, {Scope: store.Instrumentation, Name: "name"},
}

// Rows renders the answer, sorted, so that order does not matter.
func Rows(t *testing.T, s store.Scanner, scope model.Scope, req store.ScanRequest) []string {
	t.Helper()
	var out []string
	stats, err := s.Scan(context.Background(), scope, req, func(b *store.Batch) error {
		for i := range b.N {
			var line []string
			for c := range b.Cols {
				v := b.Cols[c].Value(i)
				line = append(line, fmt.Sprintf("%d:%q", v.Kind, v.String()))
			}
			out = append(out, strings.Join(line, " "))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("scan: %v", err)
	}
	if stats.Quarantined != 0 || stats.RowsMatched != int64(len(out)) {
		t.Fatalf("statistics do not fit %d rows: %+v", len(out), stats)
	}
	slices.Sort(out)
	return out
}

var (
	words    = []string{"alpha", "beta", "gamma timeout", "Delta", "error: broken pipe", "日本語のログ", "", "GET /api/v1/rides 200"}
	services = []string{"gateway", "payment", "rider"}
)

// RandomLogs makes records with every type of attribute, some missing.
func RandomLogs(rng *rand.Rand, n int) plog.Logs {
	ld := plog.NewLogs()
	for range 1 + rng.IntN(3) {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", services[rng.IntN(len(services))])
		if rng.IntN(2) == 0 {
			rl.Resource().Attributes().PutStr("host.name", fmt.Sprint("host", rng.IntN(3)))
		}
		if rng.IntN(3) == 0 {
			rl.Resource().Attributes().PutInt("pid", int64(rng.IntN(3)))
		}
		sl := rl.ScopeLogs().AppendEmpty()
		if rng.IntN(2) == 0 {
			sl.Scope().SetName("lib")
		}
		for range n {
			randomRecord(rng, sl.LogRecords().AppendEmpty())
		}
	}
	return ld
}

func randomRecord(rng *rand.Rand, lr plog.LogRecord) {
	lr.SetTimestamp(pcommon.NewTimestampFromTime(Now.Add(-time.Duration(rng.IntN(5000)) * time.Millisecond)))
	lr.SetSeverityNumber(plog.SeverityNumber(1 + rng.IntN(24)))
	lr.Body().SetStr(words[rng.IntN(len(words))] + fmt.Sprint(" ", rng.IntN(50)))
	if rng.IntN(2) == 0 {
		lr.SetTraceID(pcommon.TraceID{1, byte(rng.IntN(20))})
	}
	a := lr.Attributes()
	switch rng.IntN(4) {
	case 0:
		a.PutInt("status", int64(200+100*rng.IntN(4)))
	case 1:
		a.PutStr("status", "200")
	case 2:
		a.PutDouble("status", 200.5)
	}
	if rng.IntN(2) == 0 {
		a.PutStr("user", fmt.Sprint("u", rng.IntN(500)))
	}
	if rng.IntN(2) == 0 {
		a.PutBool("ok", rng.IntN(2) == 0)
	}
	if rng.IntN(2) == 0 {
		a.PutDouble("ratio", float64(rng.IntN(10))/4)
	}
	if rng.IntN(300) == 0 {
		a.PutStr("rare", "needle")
	}
}

// RandomPred makes a predicate tree over the columns of RandomLogs.
func RandomPred(rng *rand.Rand, depth int) store.Pred {
	if depth > 0 && rng.IntN(2) == 0 {
		switch rng.IntN(3) {
		case 0:
			return store.And{RandomPred(rng, depth-1), RandomPred(rng, depth-1)}
		case 1:
			return store.Or{RandomPred(rng, depth-1), RandomPred(rng, depth-1)}
		default:
			return store.Not{P: RandomPred(rng, depth-1)}
		}
	}
	col := AllLogColumns[1+rng.IntN(len(AllLogColumns)-1)]
	text := []string{"", "gateway", "200", "error", "u1", "needle", "lib", "host1", "true", "1"}[rng.IntN(10)]
	switch rng.IntN(7) {
	case 0:
		vals := []store.Value{store.Str(text), store.Int(200), store.Float(200.5), store.Bool(true), store.Bytes([]byte{1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})}
		return store.Cmp{Col: col, Op: store.CmpOp(rng.IntN(6)), Val: vals[rng.IntN(len(vals))]}
	case 1:
		return store.Match{Col: col, Re: regexp.MustCompile([]string{"^a", "2.0", "(?i)ERROR", "host[12]", "日本"}[rng.IntN(5)])}
	case 2:
		return store.Contains{Col: store.Col(store.ColBody), Sub: []string{"timeout", "GAMMA", "日本", " 1"}[rng.IntN(4)], Fold: rng.IntN(2) == 0}
	case 3:
		return store.TextEq{Col: col, Text: text}
	case 4:
		return store.Exists{Col: col}
	case 5:
		return store.In{Col: col, Texts: []string{text, "gateway", "\x01\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "u2"}[:rng.IntN(5)]}
	}
	return store.Cmp{Col: store.Col(store.ColSeverity), Op: store.Ge, Val: store.Int(int64(rng.IntN(25)))}
}

func logScopes(t *testing.T, s LogStoreUnderTest) {
	ctx := context.Background()
	for _, product := range []string{"", "acme", "globex"} {
		ld := RandomLogs(rand.New(rand.NewPCG(1, 1)), 20)
		for i := range ld.ResourceLogs().Len() {
			ld.ResourceLogs().At(i).Resource().Attributes().PutStr("only."+product, "x")
			if product != "" {
				ld.ResourceLogs().At(i).Resource().Attributes().PutStr(model.ResourceProduct, product)
			}
			lr := ld.ResourceLogs().At(i).ScopeLogs().At(0).LogRecords().At(0)
			lr.Attributes().PutStr("attr."+product, "x")
		}
		if _, err := s.AppendLogs(ctx, model.ScopeAll(), ld); err != nil {
			t.Fatal(err)
		}
	}
	req := store.ScanRequest{From: 0, To: Now.UnixNano() + 1, Columns: []store.ColumnRef{store.Col(store.ColProduct)}}
	for _, where := range []string{"memory", "disk"} {
		for _, product := range []string{"", "acme", "globex"} {
			scope := model.ScopeProducts(model.RoleViewer, product)
			rows := Rows(t, s, scope, req)
			if len(rows) == 0 {
				t.Fatalf("%s: product %q sees nothing of its own", where, product)
			}
			for _, r := range rows {
				if r != fmt.Sprintf("%d:%q", store.KindString, product) {
					t.Fatalf("%s: product %q sees %s", where, product, r)
				}
			}
			cols, err := s.Columns(ctx, scope, 0, Now.UnixNano()+1)
			if err != nil {
				t.Fatal(err)
			}
			for _, other := range []string{"", "acme", "globex"} {
				for _, key := range []string{"only." + other, "attr." + other} {
					has := slices.ContainsFunc(cols, func(c store.ColumnInfo) bool { return c.Ref.Name == key })
					if has != (other == product) {
						t.Errorf("%s: product %q: column %q listed: %v", where, product, key, has)
					}
				}
			}
		}
		if rows := Rows(t, s, model.Scope{}, req); len(rows) != 0 {
			t.Fatalf("%s: the empty scope sees %d rows", where, len(rows))
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	ld := RandomLogs(rand.New(rand.NewPCG(1, 1)), 5)
	n := ld.LogRecordCount()
	for i := range ld.ResourceLogs().Len() {
		ld.ResourceLogs().At(i).Resource().Attributes().PutStr(model.ResourceProduct, "globex")
	}
	res, err := s.AppendLogs(ctx, model.ScopeProducts(model.RoleEditor, "acme", "other"), ld)
	if err != nil || res.Stored != 0 || res.Rejected[store.RejectOutOfScope] != n {
		t.Fatalf("a write to another product: %+v %v", res, err)
	}
}

func orderAndSkip(t *testing.T, s LogStoreUnderTest) {
	rng := rand.New(rand.NewPCG(3, 5))
	for range 5 {
		if _, err := s.AppendLogs(context.Background(), model.ScopeAll(), RandomLogs(rng, 50)); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	req := store.ScanRequest{From: 0, To: Now.UnixNano() + 1, Columns: []store.ColumnRef{store.Col(store.ColTime)}}
	for _, order := range []store.Order{store.OldestFirst, store.NewestFirst} {
		req.Order = order
		_, err := s.Scan(context.Background(), model.ScopeAll(), req, func(b *store.Batch) error {
			ts := b.Cols[0].Ints
			if order == store.NewestFirst {
				ts = slices.Clone(ts)
				slices.Reverse(ts)
			}
			if !slices.IsSorted(ts) {
				t.Errorf("order %d: a batch is not sorted", order)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	req.Skip = func(minTs, maxTs int64) bool { return true }
	if rows := Rows(t, s, model.ScopeAll(), req); len(rows) != 0 {
		t.Errorf("everything was skipped, got %d rows", len(rows))
	}
}

func budgets(t *testing.T, s LogStoreUnderTest) {
	rng := rand.New(rand.NewPCG(3, 5))
	for range 5 {
		if _, err := s.AppendLogs(context.Background(), model.ScopeAll(), RandomLogs(rng, 50)); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	req := store.ScanRequest{From: 0, To: Now.UnixNano() + 1, Columns: AllLogColumns, Budget: store.Budget{Rows: 10}}
	scan := func(ctx context.Context) error {
		_, err := s.Scan(ctx, model.ScopeAll(), req, func(*store.Batch) error { return nil })
		return err
	}
	if err := scan(context.Background()); !errors.Is(err, store.ErrBudget) {
		t.Errorf("row budget: %v", err)
	}
	req.Budget = store.Budget{Bytes: 10}
	if err := scan(context.Background()); !errors.Is(err, store.ErrBudget) {
		t.Errorf("byte budget: %v", err)
	}
	req.Budget = store.Budget{Time: time.Nanosecond}
	if err := scan(context.Background()); !errors.Is(err, store.ErrBudget) {
		t.Errorf("time budget: %v", err)
	}
	req.Budget = store.Budget{}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := scan(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	stop := 0
	if _, err := s.Scan(context.Background(), model.ScopeAll(), req, func(*store.Batch) error { stop++; return store.ErrStop }); err != nil || stop != 1 {
		t.Errorf("stopped %d times: %v", stop, err)
	}
}
