package logstore

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"hinomi/internal/store/columnar"
	"hinomi/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	storetest.RunLogStore(t, func(t *testing.T) storetest.LogStoreUnderTest { return open(t, vfs.NewMem()) })
}

func open(t testing.TB, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open(columnar.Options{FS: fs, Dir: "/logs", Now: func() time.Time { return storetest.Now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
