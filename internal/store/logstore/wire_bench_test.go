package logstore

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/model"
	"hinomi/internal/model/otlpwire"
	"hinomi/internal/store"
	"hinomi/internal/store/storetest"
)

// BenchmarkWire reads requests into columns and stores nothing.
func BenchmarkWire(b *testing.B) {
	s := open(b, vfs.NewMem())
	body := encoded(b, storetest.RandomLogs(rand.New(rand.NewPCG(1, 2)), 500))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var res store.WriteResult
		w := wireMapper{mapper: s.mapper(s.NewBuilder(), &res), scope: model.ScopeAll()}
		if !otlpwire.Walk(body, &w) {
			b.Fatal("a valid request was not taken")
		}
		s.Discard(w.b)
	}
}
