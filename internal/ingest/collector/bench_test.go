package collector

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"hinomi/internal/ingest/gate"
	"hinomi/internal/ingest/ledger"
	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/logstore"
)

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// logRequest has records of about 800 bytes on the wire. The eight bytes behind
// from are the time of the first.
func logRequest(b *testing.B, records int) (body []byte, from int) {
	rng := rand.New(rand.NewPCG(1, 2))
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "payment")
	sl := rl.ScopeLogs().AppendEmpty()
	at := time.Now()
	for i := range records {
		lr := sl.LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Duration(i))))
		lr.SetSeverityNumber(9)
		var line strings.Builder
		for line.Len() < 560 {
			fmt.Fprintf(&line, "ride %d of user-%d accepted by driver %x; ", rng.IntN(1000), rng.IntN(100000), rng.Uint64())
		}
		lr.Body().SetStr(line.String())
		for _, key := range []string{"http.route", "user.id", "region", "attempt"} {
			lr.Attributes().PutStr(key, fmt.Sprintf("value-%d-of-many", rng.IntN(50)))
		}
	}
	body, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	if err != nil {
		b.Fatal(err)
	}
	return body, bytes.Index(body, binary.LittleEndian.AppendUint64(nil, uint64(at.UnixNano())))
}

// BenchmarkLogs stores requests on the short way, with and without a memory of
// requests. The memtable is never flushed meanwhile.
func BenchmarkLogs(b *testing.B) {
	for _, records := range []int{10, 500} {
		for _, window := range []time.Duration{0, 10 * time.Minute} {
			b.Run(fmt.Sprintf("records=%d/window=%s", records, window), func(b *testing.B) {
				s, err := logstore.Open(columnar.Options{Dir: b.TempDir(), MemtableBytes: 2 << 30, ReceiptWindow: window})
				if err != nil {
					b.Fatal(err)
				}
				o := gate.Options{Logs: s.AppendLogs, LogsWire: s.AppendWire, Ledger: ledger.New(prometheus.NewRegistry(), time.Now)}
				if window > 0 {
					o.Receipts = map[model.Signal]store.Receipts{model.Logs: s}
				}
				id := component.MustNewID("otlp")
				direct := Options{Gate: gate.New(o), Scope: model.ScopeAll(), direct: map[directKey]string{{id.String(), model.Logs}: "otlp"}}.shortWay(id, model.Logs)
				body, from := logRequest(b, records)
				at := binary.LittleEndian.Uint64(body[from:])
				b.SetBytes(int64(len(body)))
				before := cpuSeconds()
				for b.Loop() {
					at++
					binary.LittleEndian.PutUint64(body[from:], at)
					ctx, receipt := gate.WithReceipt(context.Background())
					err := direct.Once(ctx, body, func(ctx context.Context) error {
						_, err := direct.Store(ctx, body)
						return err
					})
					if err != nil || receipt.Stored() != records {
						b.Fatal(receipt.Stored(), err)
					}
				}
				b.ReportMetric((cpuSeconds()-before)/float64(b.N*records)*1e6, "cpu-s/Mrow")
				b.ReportMetric(float64(len(body))/float64(records), "wire-B/row")
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
