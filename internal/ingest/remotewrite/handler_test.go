package remotewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"go.uber.org/goleak"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/metricstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const contentV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"

type intake struct {
	*Handler
	store            *metricstore.Store
	received, stored int
	rejected         map[store.RejectReason]int
	reports          int
}

func newIntake(t testing.TB, scope model.Scope, change ...func(*Options)) *intake {
	st, err := metricstore.Open(metricstore.Options{Dir: t.TempDir(), MinFreeBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	in := &intake{store: st}
	o := Options{
		Appendables: func(*http.Request) (storage.AppendableV2, storage.Appendable) {
			return st.Appendable(scope), st.Appendable(scope)
		},
		Rejected: metricstore.Rejected,
		Metadata: func(_ *http.Request, family string, m metadata.Metadata) { st.NoteMetadata(scope, family, m) },
		Report: func(source string, signal model.Signal, received, stored int, rejected map[store.RejectReason]int) {
			if source != Source || signal != model.Metrics {
				t.Errorf("report for %s %s", source, signal)
			}
			in.received, in.stored, in.rejected = received, stored, rejected
			in.reports++
		},
	}
	for _, c := range change {
		c(&o)
	}
	if in.Handler, err = New(o); err != nil {
		t.Fatal(err)
	}
	return in
}

func (in *intake) post(body []byte, contentType string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/api/v1/write", bytes.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.Header.Set("Content-Encoding", "snappy")
	w := httptest.NewRecorder()
	in.ServeHTTP(w, r)
	return w
}

func encode(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, b)
}

// query returns "series@offset=value" of everything stored, by time.
func (in *intake) query(t testing.TB, scope model.Scope, base time.Time) []string {
	t.Helper()
	q, err := in.store.Queryable(scope).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var out []string
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+"))
	for set.Next() {
		it := set.At().Iterator(nil)
		for vt := it.Next(); vt != chunkenc.ValNone; vt = it.Next() {
			ts, v := it.AtT(), ""
			switch vt {
			case chunkenc.ValFloat:
				_, f := it.At()
				v = fmt.Sprint(f)
			case chunkenc.ValHistogram:
				_, h := it.AtHistogram(nil)
				v = fmt.Sprint("int ", h.Count)
			case chunkenc.ValFloatHistogram:
				_, h := it.AtFloatHistogram(nil)
				v = fmt.Sprint("float ", h.Count)
			}
			out = append(out, fmt.Sprintf("%s@%d=%s st=%d", set.At().Labels(), ts-base.UnixMilli(), v, max(0, it.AtST()-base.UnixMilli())))
		}
	}
	if err := errors.Join(set.Err()); err != nil {
		t.Fatal(err)
	}
	return out
}

func pairs(kv ...string) (out []prompb.Label) {
	for i := 0; i < len(kv); i += 2 {
		out = append(out, prompb.Label{Name: kv[i], Value: kv[i+1]})
	}
	return out
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("stored\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestVersion1(t *testing.T) {
	in, base := newIntake(t, model.ScopeAll()), time.Now().Add(-time.Minute)
	at := base.UnixMilli()
	body := encode(t, &prompb.WriteRequest{
		Timeseries: []prompb.TimeSeries{
			{Labels: pairs("__name__", "a", "z", "1"), Samples: []prompb.Sample{{Value: 1, Timestamp: at}, {Value: 2, Timestamp: at + 1}}},
			{Labels: pairs("__name__", "h"), Histograms: []prompb.Histogram{prompb.FromIntHistogram(at, tsdbutil.GenerateTestHistogram(1))}},
			{Labels: pairs("__name__", "i"), Histograms: []prompb.Histogram{prompb.FromFloatHistogram(at, tsdbutil.GenerateTestFloatHistogram(1))}},
			// Prometheus sends exemplars apart from their sample.
			{Labels: pairs("__name__", "a", "z", "1"), Exemplars: []prompb.Exemplar{{Labels: pairs("trace_id", "t"), Value: 3, Timestamp: at}}},
		},
		Metadata: []prompb.MetricMetadata{{Type: prompb.MetricMetadata_COUNTER, MetricFamilyName: "a", Help: "Help.", Unit: "s"}},
	})
	for range 2 { // the second time is a sender's retry
		if w := in.post(body, "application/x-protobuf"); w.Code != http.StatusNoContent {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if in.received != 4 || in.stored != 4 || len(in.rejected) != 0 {
			t.Errorf("report %d %d %v", in.received, in.stored, in.rejected)
		}
	}
	expect(t, in.query(t, model.ScopeAll(), base),
		`{__name__="a", z="1"}@0=1 st=0`, `{__name__="a", z="1"}@1=2 st=0`, `{__name__="h"}@0=int 21 st=0`, `{__name__="i"}@0=float 21 st=0`)
	eq, err := in.store.Queryable(model.ScopeAll()).ExemplarQuerier(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	found, err := eq.Select(0, math.MaxInt64, []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", "a")})
	if err != nil || len(found) != 1 || found[0].Exemplars[0].Value != 3 {
		t.Errorf("exemplars %v, %v", found, err)
	}
	if m := in.store.Metadata(model.ScopeAll(), "a")["a"]; len(m) != 1 || m[0].Help != "Help." || m[0].Type != "counter" {
		t.Errorf("metadata %v", m)
	}
}

func v2Request(at int64) *writev2.Request {
	return &writev2.Request{
		Symbols: []string{"", "__name__", "a", "Help.", "s", "trace_id", "t", "h"},
		Timeseries: []writev2.TimeSeries{
			{
				LabelsRefs: []uint32{1, 2},
				Samples:    []writev2.Sample{{Value: 1, Timestamp: at, StartTimestamp: at - 0}, {Value: 2, Timestamp: at + 1, StartTimestamp: at - 1}},
				Exemplars:  []writev2.Exemplar{{LabelsRefs: []uint32{5, 6}, Value: 3, Timestamp: at}},
				Metadata:   writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: 3, UnitRef: 4},
			},
			{LabelsRefs: []uint32{1, 7}, Histograms: []writev2.Histogram{writev2.FromIntHistogram(at, tsdbutil.GenerateTestHistogram(1))}},
		},
	}
}

func TestVersion2(t *testing.T) {
	in, base := newIntake(t, model.ScopeAll()), time.Now().Add(-time.Minute)
	w := in.post(encode(t, v2Request(base.UnixMilli())), contentV2)
	if w.Code != http.StatusNoContent {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for header, want := range map[string]string{"Samples": "2", "Histograms": "1", "Exemplars": "1"} {
		if got := w.Header().Get("X-Prometheus-Remote-Write-" + header + "-Written"); got != want {
			t.Errorf("%s written = %q, want %q", header, got, want)
		}
	}
	if got := in.query(t, model.ScopeAll(), base); len(got) != 3 || got[0] != `{__name__="a"}@0=1 st=0` {
		t.Errorf("stored %v", got)
	}
	if m := in.store.Metadata(model.ScopeAll(), "a")["a"]; len(m) != 1 || m[0].Help != "Help." || m[0].Unit != "s" {
		t.Errorf("metadata %v", m)
	}
	if in.received != 3 || in.stored != 3 {
		t.Errorf("report %d %d", in.received, in.stored)
	}
}

// TestARetryStoresNothingTwice sends requests again after newer ones, in both
// versions: a sample is its series, time and value, so that no memory of requests
// is needed.
func TestARetryStoresNothingTwice(t *testing.T) {
	for version, contentType := range map[string]string{"1": "application/x-protobuf", "2": contentV2} {
		in, base := newIntake(t, model.ScopeAll()), time.Now().Add(-time.Minute)
		var bodies [][]byte
		for i := range int64(3) {
			if version == "2" {
				bodies = append(bodies, encode(t, v2Request(base.UnixMilli()+i*1000)))
				continue
			}
			bodies = append(bodies, encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{
				{Labels: pairs("__name__", "a"), Samples: []prompb.Sample{{Value: float64(i), Timestamp: base.UnixMilli() + i*1000}}},
				{Labels: pairs("__name__", "h"), Histograms: []prompb.Histogram{prompb.FromIntHistogram(base.UnixMilli()+i*1000, tsdbutil.GenerateTestHistogram(i))}},
			}}))
		}
		send := func() {
			for _, body := range bodies {
				if w := in.post(body, contentType); w.Code != http.StatusNoContent {
					t.Fatalf("version %s: %d %s", version, w.Code, w.Body)
				}
				if in.received != in.stored {
					t.Errorf("version %s: report %d %d", version, in.received, in.stored)
				}
			}
		}
		send()
		once := in.query(t, model.ScopeAll(), base)
		send()
		expect(t, in.query(t, model.ScopeAll(), base), once...)
		if len(once) < 6 {
			t.Errorf("version %s: stored %v", version, once)
		}
	}
}

func TestGoodSamplesSurviveBadNeighbours(t *testing.T) {
	now := time.Now()
	tenYears := 10 * 365 * 24 * time.Hour
	in := newIntake(t, model.ScopeAll())
	if w := in.post(encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{Labels: pairs("__name__", "seed"), Samples: []prompb.Sample{{Value: 1, Timestamp: now.UnixMilli()}}}}}), ""); w.Code != 204 {
		t.Fatal(w.Code, w.Body)
	}
	at := now.Add(-time.Second)
	series := func(ts time.Time, kv ...string) prompb.TimeSeries {
		return prompb.TimeSeries{Labels: pairs(kv...), Samples: []prompb.Sample{{Value: 7, Timestamp: ts.UnixMilli()}}}
	}
	bad := tsdbutil.GenerateTestHistogram(1)
	bad.Count = 1
	w := in.post(encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{
		series(at.Add(tenYears), "__name__", "future"),
		series(at.Add(-tenYears), "__name__", "past"),
		series(at, "__name__", "utf8", "x", "\xff"),
		series(at, "no_name", "x"),
		series(at, "__name__", "twice", "a", "1", "a", "2"),
		series(at, "__name__", "empty", "", "1"),
		series(now, "__name__", "seed"), // another value at the same time
		{Labels: pairs("__name__", "h"), Histograms: []prompb.Histogram{prompb.FromIntHistogram(at.UnixMilli(), bad)}},
		series(at, "__name__", "good"),
	}}), "")
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "1 samples are stored, 8 are refused") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	want := map[store.RejectReason]int{store.RejectTooNew: 1, store.RejectTooOld: 1, store.RejectMalformed: 5, store.RejectDuplicate: 1}
	if fmt.Sprint(in.rejected) != fmt.Sprint(want) || in.stored != 1 || in.received != 9 {
		t.Errorf("report %d %d %v, want %v", in.received, in.stored, in.rejected, want)
	}
	expect(t, in.query(t, model.ScopeAll(), at), `{__name__="good"}@0=7 st=0`, fmt.Sprintf(`{__name__="seed"}@%d=1 st=0`, now.UnixMilli()-at.UnixMilli()))
}

func TestVersion2BadReferences(t *testing.T) {
	in, at := newIntake(t, model.ScopeAll()), time.Now().UnixMilli()
	req := v2Request(at)
	req.Timeseries = append(req.Timeseries,
		writev2.TimeSeries{LabelsRefs: []uint32{1, 99}, Samples: []writev2.Sample{{Timestamp: at}}},
		writev2.TimeSeries{LabelsRefs: []uint32{1}, Samples: []writev2.Sample{{Timestamp: at}}},
		writev2.TimeSeries{LabelsRefs: []uint32{1, 2}, Samples: []writev2.Sample{{Timestamp: at}}, Metadata: writev2.Metadata{HelpRef: 99}},
	)
	if w := in.post(encode(t, req), contentV2); w.Code != 400 || w.Header().Get("X-Prometheus-Remote-Write-Samples-Written") != "2" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if in.stored != 3 || in.rejected[store.RejectMalformed] != 3 {
		t.Errorf("report %d %d %v", in.received, in.stored, in.rejected)
	}
}

func TestScope(t *testing.T) {
	shop := model.ScopeProducts(model.RoleEditor, "shop")
	in, base := newIntake(t, shop), time.Now()
	w := in.post(encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{
		{Labels: pairs("__name__", "a"), Samples: []prompb.Sample{{Value: 1, Timestamp: base.UnixMilli()}}},
		{Labels: pairs("__name__", "a", "product", "bank"), Samples: []prompb.Sample{{Value: 1, Timestamp: base.UnixMilli()}}},
	}}), "")
	if w.Code != 400 || in.rejected[store.RejectOutOfScope] != 1 || in.stored != 1 {
		t.Errorf("%d %s %v", w.Code, w.Body, in.rejected)
	}
	expect(t, in.query(t, model.ScopeAll(), base), `{__name__="a", product="shop"}@0=1 st=0`)
}

func TestBadBodies(t *testing.T) {
	// A snappy header that declares 2 GB, followed by nothing.
	bomb := []byte{0x80, 0x80, 0x80, 0x80, 0x08}
	for name, tt := range map[string]struct {
		body []byte
		ct   string
		code int
		text string
	}{
		"empty":           {nil, "", 400, "snappy"},
		"not snappy":      {[]byte("hello, this is text"), "", 400, "snappy"},
		"snappy bomb":     {bomb, "", 413, "declares 2147483648 bytes"},
		"lying header":    {append([]byte{0x80, 0x80, 0x40}, 0, 0), "", 400, "has only 5"},
		"not protobuf":    {snappy.Encode(nil, []byte("\x0a\xff\xff\xff\xff\x0f")), "", 400, "WriteRequest"},
		"group":           {snappy.Encode(nil, []byte{0x0b, 0x0c}), "", 400, "groups"},
		"wrong wire type": {snappy.Encode(nil, []byte{0x08, 0x01}), "", 400, "wire type"},
		"truncated v2":    {snappy.Encode(nil, []byte{0x2a, 0x05, 0x12}), contentV2, 400, "Request"},
		"oversize":        {bytes.Repeat([]byte{1}, 2000), "", 413, "limit of 1000 bytes"},
		"unknown message": {nil, "application/x-protobuf;proto=other", 415, "other"},
		"json":            {nil, "application/json", 415, "json"},
	} {
		t.Run(name, func(t *testing.T) {
			in := newIntake(t, model.ScopeAll(), func(o *Options) { o.MaxCompressedBytes = 1000 })
			w := in.post(tt.body, tt.ct)
			if tt.body == nil && tt.code == 400 && w.Code == 400 {
				return // an empty body has no valid length
			}
			if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.text) {
				t.Errorf("%d %s, want %d with %q", w.Code, w.Body, tt.code, tt.text)
			}
			if in.reports != 1 || in.rejected[store.RejectMalformed] != 1 {
				t.Errorf("not in the ledger: %d %v", in.reports, in.rejected)
			}
		})
	}
}

func TestHostileBodyTakesNoMemory(t *testing.T) {
	in := newIntake(t, model.ScopeAll())
	// 16 million empty time series: gigabytes, if each became an object.
	body := snappy.Encode(nil, bytes.Repeat([]byte{0x0a, 0x00}, 1<<20))
	if w := in.post(body, ""); w.Code != 400 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	symbols := snappy.Encode(nil, bytes.Repeat([]byte{0x22, 0x00}, maxSymbols+1))
	if w := in.post(symbols, contentV2); w.Code != 400 || !strings.Contains(w.Body.String(), "symbols") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestMethodAndEncoding(t *testing.T) {
	in := newIntake(t, model.ScopeAll())
	w := httptest.NewRecorder()
	in.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/write", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET = %d", w.Code)
	}
	r := httptest.NewRequest(http.MethodPost, "/api/v1/write", nil)
	r.Header.Set("Content-Encoding", "gzip")
	w = httptest.NewRecorder()
	in.ServeHTTP(w, r)
	if w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("gzip = %d", w.Code)
	}
}

// refusingAppendable fails as a store with a full disk does.
type refusingAppendable struct {
	storage.AppendableV2
	err error
}

func (a refusingAppendable) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return refusingAppender{a.AppendableV2.AppenderV2(ctx), a.err}
}

type refusingAppender struct {
	storage.AppenderV2
	err error
}

func (a refusingAppender) Commit() error { return errors.Join(a.err, a.AppenderV2.Rollback()) }

func TestStoreFailuresAreRetryable(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
	}{{store.ErrNoSpace, 503}, {store.ErrNotReady, 503}, {store.ErrOverloaded, 503}, {store.ErrStorage, 500}} {
		var in *intake
		in = newIntake(t, model.ScopeAll(), func(o *Options) {
			o.Appendables = func(*http.Request) (storage.AppendableV2, storage.Appendable) {
				a := in.store.Appendable(model.ScopeAll())
				return refusingAppendable{a, tt.err}, a
			}
		})
		w := in.post(encode(t, v2Request(time.Now().UnixMilli())), contentV2)
		if w.Code != tt.code || in.stored != 0 || in.received != 3 {
			t.Errorf("%v: %d %s, stored %d of %d", tt.err, w.Code, w.Body, in.stored, in.received)
		}
		if got := w.Header().Get("X-Prometheus-Remote-Write-Samples-Written"); got != "" && got != "0" {
			t.Errorf("claims %s written", got)
		}
	}
}
