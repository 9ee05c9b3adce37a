package statestore

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

var (
	all  = model.ScopeAll()
	shop = model.ScopeProducts(model.RoleEditor, "shop")
	bank = model.ScopeProducts(model.RoleEditor, "bank")
	at   = time.Unix(1_700_000_000, 5)
)

func TestPragmas(t *testing.T) {
	s := open(t, t.TempDir())
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		var got string
		if err := s.db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", pragma, got, err, want)
		}
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrNewerSchema) {
		t.Fatalf("opened a newer schema: %v", err)
	}
}

func TestJournalsKeepTheNewestAcrossReopening(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, body := range []string{"old", "new"} {
		if err := s.Silences().Put(t.Context(), all, store.StateEntry{Key: "a", Body: []byte(body), Expires: at}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	got, err := s.Silences().All(t.Context(), all)
	if err != nil || len(got) != 1 || string(got[0].Body) != "new" || !got[0].Expires.Equal(at) {
		t.Fatalf("%+v %v", got, err)
	}
	if other, _ := s.NotificationLog().All(t.Context(), all); len(other) != 0 {
		t.Fatalf("journals share entries: %+v", other)
	}
	if err := s.Silences().Prune(t.Context(), all, at.Add(1)); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Silences().All(t.Context(), all); len(got) != 0 {
		t.Fatalf("expired entries stay: %+v", got)
	}
}

func TestAnAlertThatGoesOnKeepsItsStart(t *testing.T) {
	s := open(t, t.TempDir())
	put := func(starts, ends time.Time) time.Time {
		t.Helper()
		r := store.AlertRecord{Fingerprint: "f", Labels: map[string]string{"alertname": "A"}, Starts: starts, Ends: ends, Updated: starts}
		if err := s.PutAlerts(t.Context(), all, []store.AlertRecord{r}); err != nil {
			t.Fatal(err)
		}
		got, err := s.LoadAlerts(t.Context(), all)
		if err != nil || len(got) != 1 || got[0].Labels["alertname"] != "A" {
			t.Fatalf("%+v %v", got, err)
		}
		return got[0].Starts
	}
	put(at, at.Add(time.Minute))
	if got := put(at.Add(30*time.Second), at.Add(2*time.Minute)); !got.Equal(at) {
		t.Errorf("goes on since %v, want %v", got, at)
	}
	if got := put(at.Add(time.Hour), at.Add(2*time.Hour)); !got.Equal(at.Add(time.Hour)) {
		t.Errorf("a later alert starts at %v", got)
	}
}

func note(key, group, product string) store.Notification {
	return store.Notification{Product: product, Key: key, Receiver: "r", Integration: "webhook", GroupKey: group, Payload: []byte(key), Created: at}
}

func TestOutboxOrderRetryAndDedup(t *testing.T) {
	s := open(t, t.TempDir())
	ctx := t.Context()
	for _, n := range []store.Notification{note("fire", "g", ""), note("resolve", "g", ""), note("other", "h", "")} {
		if added, err := s.Enqueue(ctx, all, n); err != nil || !added {
			t.Fatal(added, err)
		}
	}
	if added, err := s.Enqueue(ctx, all, note("fire", "g", "")); err != nil || added {
		t.Fatalf("the same key was stored twice (%v)", err)
	}
	due := func(t0 time.Time) (keys []string) {
		t.Helper()
		list, err := s.Due(ctx, all, t0, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range list {
			keys = append(keys, n.Key)
		}
		return keys
	}
	if got := due(at); len(got) != 2 || got[0] != "fire" || got[1] != "other" {
		t.Fatalf("due %v, want the heads of both groups", got)
	}
	list, _ := s.Due(ctx, all, at, 1)
	later := at.Add(time.Minute)
	if err := s.Finish(ctx, all, store.Attempt{Notification: list[0].ID, At: at, Duration: time.Second, Error: "refused"}, store.OutboxPending, later); err != nil {
		t.Fatal(err)
	}
	if got := due(at); len(got) != 1 || got[0] != "other" {
		t.Fatalf("due %v: a resolution must wait for its page", got)
	}
	if err := s.Finish(ctx, all, store.Attempt{Notification: list[0].ID, At: later}, store.OutboxDelivered, later); err != nil {
		t.Fatal(err)
	}
	if got := due(later); len(got) != 2 || got[0] != "resolve" {
		t.Fatalf("due %v", got)
	}
	d, err := s.Deliveries(ctx, all, 10)
	if err != nil || len(d) != 3 {
		t.Fatal(d, err)
	}
	if first := d[2]; first.State != store.OutboxDelivered || len(first.Tries) != 2 || first.Tries[0].Error != "refused" || first.Tries[0].Duration != time.Second {
		t.Fatalf("%+v", first)
	}
	if err := s.PruneOutbox(ctx, all, at.Add(1)); err != nil {
		t.Fatal(err)
	}
	if d, _ = s.Deliveries(ctx, all, 10); len(d) != 2 {
		t.Fatalf("prune must keep exactly what is pending: %+v", d)
	}
}

// Every call, with the data of one product and the credential of another.
func TestAnotherProductIsOutOfReach(t *testing.T) {
	s := open(t, t.TempDir())
	ctx := t.Context()
	if err := s.Silences().Put(ctx, bank, store.StateEntry{Product: "shop", Key: "k"}); !errors.Is(err, model.ErrOutOfScope) {
		t.Errorf("Put: %v", err)
	}
	if err := s.PutAlerts(ctx, bank, []store.AlertRecord{{Product: "shop", Fingerprint: "f"}}); !errors.Is(err, model.ErrOutOfScope) {
		t.Errorf("PutAlerts: %v", err)
	}
	if _, err := s.Enqueue(ctx, bank, note("k", "g", "shop")); !errors.Is(err, model.ErrOutOfScope) {
		t.Errorf("Enqueue: %v", err)
	}
	for _, j := range []store.Journal{s.Silences(), s.NotificationLog()} {
		if err := j.Put(ctx, shop, store.StateEntry{Key: "k", Body: []byte("shop"), Expires: at}); err != nil {
			t.Fatal(err)
		}
		if err := j.Put(ctx, bank, store.StateEntry{Key: "k", Body: []byte("bank"), Expires: at}); err != nil {
			t.Fatal(err)
		}
		if err := j.Prune(ctx, bank, at.Add(1)); err != nil {
			t.Fatal(err)
		}
		if got, err := j.All(ctx, shop); err != nil || len(got) != 1 || string(got[0].Body) != "shop" {
			t.Errorf("journal: %+v %v", got, err)
		}
		if got, _ := j.All(ctx, bank); len(got) != 0 {
			t.Errorf("journal of the other product: %+v", got)
		}
	}
	if err := s.PutAlerts(ctx, shop, []store.AlertRecord{{Fingerprint: "f", Ends: at}}); err != nil {
		t.Fatal(err)
	}
	if err := s.PruneAlerts(ctx, bank, at.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.LoadAlerts(ctx, bank); err != nil || len(got) != 0 {
		t.Errorf("LoadAlerts: %+v %v", got, err)
	}
	if got, _ := s.LoadAlerts(ctx, shop); len(got) != 1 {
		t.Error("PruneAlerts reached another product")
	}
	if _, err := s.Enqueue(ctx, shop, note("k", "g", "")); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Due(ctx, bank, at.Add(time.Hour), 10); err != nil || len(got) != 0 {
		t.Errorf("Due: %+v %v", got, err)
	}
	if got, err := s.NextDue(ctx, bank); err != nil || !got.IsZero() {
		t.Errorf("NextDue: %v %v", got, err)
	}
	if got, err := s.Deliveries(ctx, bank, 10); err != nil || len(got) != 0 {
		t.Errorf("Deliveries: %+v %v", got, err)
	}
	mine, _ := s.Due(ctx, shop, at, 10)
	if err := s.Finish(ctx, bank, store.Attempt{Notification: mine[0].ID, At: at}, store.OutboxDead, at); !errors.Is(err, ErrNoNotification) {
		t.Errorf("Finish: %v", err)
	}
	if err := s.Finish(ctx, shop, store.Attempt{Notification: mine[0].ID, At: at}, store.OutboxDelivered, at); err != nil {
		t.Fatal(err)
	}
	if err := s.PruneOutbox(ctx, bank, at.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Deliveries(ctx, shop, 10); len(got) != 1 {
		t.Error("PruneOutbox reached another product")
	}
	none := model.Scope{}
	if got, _ := s.LoadAlerts(ctx, none); len(got) != 0 {
		t.Error("the empty scope reaches alerts")
	}
}
