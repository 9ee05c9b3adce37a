package metricstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

func TestTimeGuard(t *testing.T) {
	s := openTest(t, t.TempDir())
	ls := labels.FromStrings(labels.MetricName, "m")
	mustAppend(t, s, model.ScopeAll(), ls, ms(0), 1)
	for name, tt := range map[string]struct {
		at   time.Duration
		want store.RejectReason
	}{
		"ten years ahead":   {10 * 365 * 24 * time.Hour, store.RejectTooNew},
		"just too new":      {MaxFuture + time.Millisecond, store.RejectTooNew},
		"ten years ago":     {-10 * 365 * 24 * time.Hour, store.RejectTooOld},
		"just too old":      {-DefaultOutOfOrderWindow - time.Second, store.RejectTooOld},
		"latest possible":   {MaxFuture - 11*time.Minute, ""},
		"within the window": {-DefaultOutOfOrderWindow + time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			v1 := s.Appender(context.Background(), model.ScopeAll())
			_, err1 := v1.Append(0, ls, ms(tt.at), 2)
			v2 := s.AppenderV2(context.Background(), model.ScopeAll())
			_, err2 := v2.Append(0, ls, 0, ms(tt.at), 2, nil, nil, storage.AOptions{})
			for _, err := range []error{err1, err2} {
				reason, rejected := Rejected(err)
				if rejected != (tt.want != "") || reason != tt.want {
					t.Errorf("got %q (%v), want %q", reason, err, tt.want)
				}
			}
			if err := errors.Join(v1.Commit(), v2.Rollback()); err != nil {
				t.Fatal(err)
			}
		})
	}
	mustAppend(t, s, model.ScopeAll(), ls, ms(time.Second), 3) // the present still works
}

func TestDuplicateValueIsRejectedByName(t *testing.T) {
	s := openTest(t, t.TempDir())
	ls := labels.FromStrings(labels.MetricName, "m")
	mustAppend(t, s, model.ScopeAll(), ls, ms(0), 1)
	mustAppend(t, s, model.ScopeAll(), ls, ms(0), 1) // the same again is a retry, not an error
	app := s.Appender(context.Background(), model.ScopeAll())
	_, err := app.Append(0, ls, ms(0), 2)
	if reason, ok := Rejected(err); !ok || reason != store.RejectDuplicate {
		t.Errorf("another value at the same time = %q, %v", reason, err)
	}
	if err := app.Rollback(); err != nil {
		t.Fatal(err)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	mustAppend(t, s, model.ScopeAll(), labels.FromStrings(labels.MetricName, "m"), ms(0), 1)
	if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Fatalf("second Open = %v", err)
	}
	mustAppend(t, s, model.ScopeAll(), labels.FromStrings(labels.MetricName, "m"), ms(time.Second), 2)
}

func TestReopenWithTheSameRegisterer(t *testing.T) {
	dir, reg := t.TempDir(), prometheus.NewRegistry()
	for i := range 3 {
		s := openTest(t, dir, func(o *Options) { o.Registerer = reg })
		mustAppend(t, s, model.ScopeAll(), labels.FromStrings(labels.MetricName, "m"), ms(time.Duration(i)*time.Second), 1)
		families, err := reg.Gather()
		if err != nil || len(families) == 0 {
			t.Fatalf("gather: %d families, %v", len(families), err)
		}
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
		app := s.Appender(context.Background(), model.ScopeAll())
		if _, err := app.Append(0, labels.FromStrings(labels.MetricName, "m"), ms(0), 1); !errors.Is(err, store.ErrClosed) {
			t.Fatalf("append after Close = %v", err)
		}
		if err := app.Rollback(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Queryable(model.ScopeAll()).Querier(0, 1); !errors.Is(err, store.ErrClosed) {
			t.Fatalf("query after Close = %v", err)
		}
	}
}

func TestDamagedLogIsKeptAside(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	for i := range 50 {
		mustAppend(t, s, model.ScopeAll(), labels.FromStrings(labels.MetricName, "m"), ms(time.Duration(i)*time.Second), float64(i))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "quarantine")); !os.IsNotExist(err) {
		t.Fatalf("healthy store left a quarantine: %v", err)
	}
	segment := filepath.Join(dir, "wal", "00000000")
	damaged, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	damaged[len(damaged)/32] ^= 0xff // within the records: the rest is padding
	if err := os.WriteFile(segment, damaged, 0o600); err != nil {
		t.Fatal(err)
	}

	s = openTest(t, dir)
	if s.Corruptions() != 1 {
		t.Errorf("Corruptions = %d, want 1", s.Corruptions())
	}
	got := len(read(t, s, model.ScopeAll())[`{__name__="m"}`])
	if got == 0 || got >= 50 {
		t.Errorf("%d of 50 samples are readable, want those before the damage", got)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "quarantine", "*", "wal", "00000000"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("files kept aside: %v, %v", kept, err)
	}
	if content, err := os.ReadFile(kept[0]); err != nil || string(content) != string(damaged) {
		t.Errorf("the kept file is not the damaged one (%v)", err)
	}
	mustAppend(t, s, model.ScopeAll(), labels.FromStrings(labels.MetricName, "m"), ms(time.Hour-time.Hour+time.Minute), 99)
}
