package traceql

import (
	"context"
	"fmt"
	"testing"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/storetest"
)

// TestAnArrayBehindManyTexts has an array after more texts that look like one than
// are probed.
func TestAnArrayBehindManyTexts(t *testing.T) {
	m := storetest.New()
	at := func(i int, text string) storetest.Row {
		return storetest.Row{
			store.Col(store.ColTime): store.Int(scriptZero.UnixNano() + int64(i)), store.Col(store.ColDuration): store.Int(1),
			store.Col(store.ColTraceID): store.Bytes([]byte(fmt.Sprintf("%016d", i/1000))), store.Col(store.ColSpanID): store.Bytes([]byte(fmt.Sprintf("%08d", i))),
			{Scope: store.Attr, Name: "x"}: store.Str(text),
		}
	}
	rows := make([]storetest.Row, 0, probeRows+2)
	for i := range probeRows + 1 {
		rows = append(rows, at(i, "[no array"))
	}
	m.Add(append(rows, at(len(rows), `["a","b"]`))...)
	eng, err := New(Options{Store: m})
	if err != nil {
		t.Fatal(err)
	}
	start, end := scriptZero.Add(-time.Second), scriptZero.Add(time.Hour)
	for q, want := range map[string]float64{`{ span.x = "a" }`: 1, `{ span.x = "c" }`: 0, `{ !(span.x = "b") }`: probeRows + 1} {
		res, err := eng.Metrics(context.Background(), model.ScopeAll(), MetricsRequest{Query: q + " | count_over_time()", Start: start, End: end, Instant: true})
		if err != nil || res.Partial || len(res.Series) != 1 || res.Series[0].Values[0] != want {
			t.Errorf("%s: %v %v %s, want %v", q, res.Series, err, res.Message, want)
		}
	}
	found, err := eng.Search(context.Background(), model.ScopeAll(), Request{Query: `{ span.x = "b" }`, Start: start, End: end})
	if err != nil || found.Partial || len(found.Traces) != 1 {
		t.Error(len(found.Traces), err)
	}
}
