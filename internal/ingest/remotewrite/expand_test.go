package remotewrite

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"hinomi/internal/model"
)

// TestSymbolsCannotMultiply sends series that all refer to one long symbol: a
// few kilobytes that would be gigabytes of labels.
func TestSymbolsCannotMultiply(t *testing.T) {
	in := newIntake(t, model.ScopeAll())
	req := &writev2.Request{Symbols: []string{"", "__name__", "m", "long", strings.Repeat("x", 1<<20), "n"}}
	for i := range uint32(64) {
		// Different series, because one that is known is not written out again.
		req.Symbols = append(req.Symbols, strconv.Itoa(int(i)))
		req.Timeseries = append(req.Timeseries, writev2.TimeSeries{
			LabelsRefs: []uint32{1, 2, 3, 4, 5, 6 + i}, Samples: []writev2.Sample{{Value: 1, Timestamp: time.Now().UnixMilli()}},
		})
	}
	w := in.post(encode(t, req), contentV2)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "smaller batches") || in.stored != 0 {
		t.Errorf("%d %s, stored %d", w.Code, w.Body, in.stored)
	}
	// Within the bound the same series is stored.
	req.Timeseries = req.Timeseries[:8]
	if w := in.post(encode(t, req), contentV2); w.Code != http.StatusNoContent && w.Code != http.StatusBadRequest || in.stored == 0 {
		t.Errorf("%d %s, stored %d", w.Code, w.Body, in.stored)
	}
}
