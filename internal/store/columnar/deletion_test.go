package columnar

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

func deleteUser(tab *Table, user string) (string, error) {
	return tab.Delete(context.Background(), model.ScopeAll(), DeleteRequest{
		Where: userIs(user), From: 0, To: testNow.UnixNano() + 1, Query: "user=" + user, Who: "dpo@example.com", Why: "GDPR article 17",
	})
}

// pause keeps maintenance from carrying out requests until its result is called,
// or the test ends.
func pause(t testing.TB, tab *Table) func() {
	tab.leaving.Lock()
	unlock := sync.OnceFunc(tab.leaving.Unlock)
	t.Cleanup(unlock)
	return unlock
}

func deletionOf(t testing.TB, tab *Table, id string) Deletion {
	t.Helper()
	for _, d := range tab.Deletions(model.ScopeAll()) {
		if d.ID == id {
			return d
		}
	}
	t.Fatalf("request %s is not listed", id)
	return Deletion{}
}

// personRows are rows of several people, some of them in segments and some not.
func personRows(t testing.TB, tab *Table, n int) (all map[string]bool, of map[string]map[string]bool) {
	t.Helper()
	all, of = map[string]bool{}, map[string]map[string]bool{}
	for i := range n {
		r := lifeRow{id: fmt.Sprint("r", i), user: fmt.Sprint("user-", i%5), ts: testNow.Add(-time.Duration(i) * 20 * time.Minute).UnixNano(), product: []string{"", "shop"}[i%2]}
		all[r.id] = true
		if of[r.user] == nil {
			of[r.user] = map[string]bool{}
		}
		of[r.user][r.id] = true
		appendLife(t, tab, r)
		if i%(n/4) == n/4-1 && i != n-1 {
			if err := tab.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all, of
}

func without(all, gone map[string]bool) map[string]bool {
	out := map[string]bool{}
	for k := range all {
		if !gone[k] {
			out[k] = true
		}
	}
	return out
}

func TestDeletionHidesAtOnceRemovesAndProves(t *testing.T) {
	fs := vfs.NewMem()
	opts := lifeOptions(fs)
	tab := openTable(t, opts)
	all, of := personRows(t, tab, 400)
	unpause := pause(t, tab)
	id, err := deleteUser(tab, "user-3")
	if err != nil {
		t.Fatal(err)
	}
	want := without(all, of["user-3"])
	if got := lifeIDs(t, tab, nil); !equalSets(got, want) {
		t.Fatalf("%d rows are shown, %d should be", len(got), len(want))
	}
	if got := lifeIDs(t, tab, store.Or{userIs("user-3"), userIs("user-4")}); !equalSets(got, of["user-4"]) {
		t.Fatalf("%d rows are shown to a filter, %d should be", len(got), len(of["user-4"]))
	}
	if d := deletionOf(t, tab, id); d.Proof != nil || d.Who != "dpo@example.com" || d.Query != "user=user-3" {
		t.Fatalf("a request that is not done: %+v", d)
	}
	unpause()
	if err := tab.leave(testNow); err != nil {
		t.Fatal(err)
	}
	p := deletionOf(t, tab, id).Proof
	if p == nil || p.Rows != int64(len(of["user-3"])) || len(p.NotVerified) != 0 || p.Why != "GDPR article 17" || !p.Completed.Equal(testNow) || len(p.Rewrites) == 0 {
		t.Fatalf("proof: %+v", p)
	}
	for _, n := range p.Rewrites {
		before, after := int64(0), int64(0)
		for _, f := range n.Before {
			before += f.Rows
			if _, err := fs.Stat("/table/" + f.File); !isNotExist(err) {
				t.Errorf("%s is still there: %v", f.File, err)
			}
		}
		for _, f := range n.After {
			after += f.Rows
			if sum, err := tab.hashSegment(&segment{segmentMeta: segmentMeta{File: f.File}, fs: fs, path: "/table/" + f.File}); err != nil || sum != f.SHA256 {
				t.Errorf("%s: %v, %s is not %s", f.File, err, sum, f.SHA256)
			}
		}
		if before-after != n.Rows {
			t.Errorf("a rewrite from %d to %d rows says that it removed %d", before, after, n.Rows)
		}
	}
	if n := removed(tab, removedDeletion); n != float64(p.Rows) {
		t.Errorf("%v rows counted", n)
	}
	if len(tab.state.rewrites) != 0 {
		t.Errorf("the manifest keeps what the proof says: %v", tab.state.rewrites)
	}
	// Nobody hides anything any more: it is gone.
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	tab = openTable(t, opts)
	if p := deletionOf(t, tab, id).Proof; p == nil || p.Rows != int64(len(of["user-3"])) {
		t.Fatalf("the proof after a restart: %+v", p)
	}
	if len(tab.life.active()) != 0 {
		t.Error("a request that is done is still applied")
	}
	if got := lifeIDs(t, tab, nil); !equalSets(got, want) {
		t.Fatalf("%d rows after a restart, %d should be", len(got), len(want))
	}
	// What comes later is kept.
	late := lifeRow{id: "late", user: "user-3", ts: testNow.UnixNano()}
	appendLife(t, tab, late)
	if got := lifeIDs(t, tab, userIs("user-3")); !got["late"] {
		t.Error("a row that came after the request was done is hidden")
	}
}

func TestDeletionStaysInItsScopeAndTimes(t *testing.T) {
	tab := openTable(t, lifeOptions(vfs.NewMem()))
	all, of := personRows(t, tab, 100)
	shop := model.ScopeProducts(model.RoleAdmin, "shop")
	from, to := testNow.Add(-10*time.Hour).UnixNano(), testNow.Add(-5*time.Hour).UnixNano()
	id, err := tab.Delete(t.Context(), shop, DeleteRequest{Where: userIs("user-1"), From: from, To: to, Who: "x"})
	if err != nil {
		t.Fatal(err)
	}
	gone := map[string]bool{}
	for r := range of["user-1"] {
		var i int
		if _, err := fmt.Sscanf(r, "r%d", &i); err != nil {
			t.Fatal(err)
		}
		// Rows are 20 minutes apart; 10 h is in the range, 5 h is not.
		if i%2 == 1 && i > 15 && i <= 30 {
			gone[r] = true
		}
	}
	if len(gone) == 0 {
		t.Fatal("the case deletes nothing")
	}
	for range 2 {
		if got := lifeIDs(t, tab, nil); !equalSets(got, without(all, gone)) {
			t.Fatalf("%v are gone, want %v", keys(without(all, got)), keys(gone))
		}
		if err := tab.leave(testNow); err != nil {
			t.Fatal(err)
		}
	}
	if p := deletionOf(t, tab, id).Proof; p == nil || p.Rows != int64(len(gone)) {
		t.Errorf("proof %+v", p)
	}
	if n := len(tab.Deletions(model.ScopeProducts(model.RoleAdmin, "other"))); n != 0 {
		t.Errorf("another product's requests are listed: %d", n)
	}
	if n := len(tab.Deletions(shop)); n != 1 {
		t.Errorf("%d requests of the own product are listed", n)
	}
	for _, bad := range []DeleteRequest{{From: 0, To: 1}, {Who: "x", From: 5, To: 5}} {
		if _, err := tab.Delete(t.Context(), model.ScopeAll(), bad); err == nil {
			t.Errorf("accepted: %+v", bad)
		}
	}
	if _, err := tab.Delete(t.Context(), model.Scope{}, DeleteRequest{Who: "x", To: 5}); err == nil {
		t.Error("accepted without a scope")
	}
}

func TestCancelledDeletionShowsItsRowsAgain(t *testing.T) {
	fs := vfs.NewMem()
	tab := openTable(t, lifeOptions(fs))
	all, _ := personRows(t, tab, 60)
	unpause := pause(t, tab)
	id, err := deleteUser(tab, "user-2")
	if err == nil {
		err = tab.CancelDeletion(t.Context(), model.ScopeAll(), id, false)
	}
	unpause()
	if err != nil {
		t.Fatal(err)
	}
	if err := tab.CancelDeletion(t.Context(), model.ScopeAll(), id, true); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a cancelled request is cancelled again: %v", err)
	}
	if err := errors.Join(tab.leave(testNow), tab.Close()); err != nil {
		t.Fatal(err)
	}
	tab = openTable(t, lifeOptions(fs))
	if err := tab.leave(testNow); err != nil {
		t.Fatal(err)
	}
	if got := lifeIDs(t, tab, nil); !equalSets(got, all) {
		t.Errorf("%d of %d rows", len(got), len(all))
	}
	if d := deletionOf(t, tab, id); !d.Cancelled || d.Proof != nil {
		t.Errorf("%+v", d)
	}
}

// TestProofNamesWhatCouldNotBeRead damages a segment: what can be read of it
// stays hidden, and the proof says that it was not verified.
func TestProofNamesWhatCouldNotBeRead(t *testing.T) {
	fs := vfs.NewMem()
	tab := openTable(t, lifeOptions(fs))
	personRows(t, tab, 40)
	if err := errors.Join(tab.Flush(), tab.Close()); err != nil {
		t.Fatal(err)
	}
	dirs, err := fs.List("/table/segments")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(dirs)
	names, err := fs.List("/table/segments/" + dirs[len(dirs)-1])
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	file := "segments/" + dirs[len(dirs)-1] + "/" + names[0]
	data := readFile(t, fs, "/table/"+file)
	data[20] ^= 4
	writeFile(t, fs, "/table/"+file, data)
	tab = openTable(t, lifeOptions(fs))
	id, err := deleteUser(tab, "user-1")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := tab.leave(testNow); err != nil {
			t.Fatal(err)
		}
		p := deletionOf(t, tab, id).Proof
		if p == nil || len(p.NotVerified) != 1 || p.NotVerified[0].File != file {
			t.Fatalf("proof %+v, want %s to be named", p, file)
		}
		if len(tab.life.active()) != 1 {
			t.Fatal("rows of a segment that was not rewritten are shown again")
		}
		if err := tab.Close(); err != nil {
			t.Fatal(err)
		}
		tab = openTable(t, lifeOptions(fs))
	}
}

// TestDeletionSurvivesACrashAtAnyPoint drops unsynced bytes while a request is
// carried out and while it is made, at many points, and lets it go on.
func TestDeletionSurvivesACrashAtAnyPoint(t *testing.T) {
	for round := range uint64(12) {
		crashDeletion(t, round)
	}
}

func crashDeletion(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 9))
	fs := vfs.NewCrashableMem()
	opts := lifeOptions(fs)
	tab := openTable(t, opts)
	all, of := personRows(t, tab, 200)
	type crash struct {
		fs    *vfs.MemFS
		asked int // requests that were acknowledged before
	}
	var mu sync.Mutex
	asked := 0
	var crashes []crash
	clone := func() {
		mu.Lock()
		n := asked
		mu.Unlock()
		c := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(2) * rng.IntN(101), RNG: rng})
		crashes = append(crashes, crash{c, n})
	}
	users := []string{"user-0", "user-1", "user-2"}
	done := make(chan error)
	go func() {
		for _, u := range users {
			if _, err := deleteUser(tab, u); err != nil {
				done <- err
				return
			}
			mu.Lock()
			asked++
			mu.Unlock()
			if err := tab.leave(testNow); err != nil {
				done <- err
				return
			}
		}
		done <- tab.compact(testNow)
	}()
	for finished := false; !finished; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			finished = true
		default:
		}
		if len(crashes) < 24 || finished {
			clone()
		}
		time.Sleep(time.Duration(rng.IntN(300)) * time.Microsecond)
	}
	for _, c := range crashes {
		afterCrash(t, c.fs, users, c.asked, all, of)
	}
}

func afterCrash(t *testing.T, fs *vfs.MemFS, users []string, asked int, all map[string]bool, of map[string]map[string]bool) {
	t.Helper()
	opts := lifeOptions(fs)
	// A second start must know as much as the first.
	if err := openTable(t, opts).Close(); err != nil {
		t.Fatal(err)
	}
	tab := openTable(t, opts)
	check := func(when string, requests []Deletion) {
		t.Helper()
		want := all
		for i := range requests {
			want = without(want, of[users[i]])
		}
		if got := lifeIDs(t, tab, nil); !equalSets(got, want) {
			t.Fatalf("%s: %d rows, want %d: missing %v, too many %v", when, len(got), len(want), keys(without(want, got)), keys(without(got, want)))
		}
	}
	requests := tab.Deletions(model.ScopeAll())
	if len(requests) < asked || len(requests) > asked+1 {
		t.Fatalf("%d requests after a crash, %d were acknowledged", len(requests), asked)
	}
	check("after a crash", requests)
	if err := tab.leave(testNow); err != nil {
		t.Fatal(err)
	}
	for i, r := range tab.Deletions(model.ScopeAll()) {
		if r.Proof == nil || r.Proof.Rows != int64(len(of[users[i]])) || len(r.Proof.NotVerified) != 0 {
			t.Fatalf("request %d after a crash: proof %+v, want %d rows", i, r.Proof, len(of[users[i]]))
		}
	}
	if len(tab.Damages()) != 0 {
		t.Fatalf("a crash is not damage: %+v", tab.Damages())
	}
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	// Without the requests nothing is hidden: what is not shown is not there.
	if err := fs.Remove("/table/" + deletionsName); err != nil && !isNotExist(err) {
		t.Fatal(err)
	}
	tab = openTable(t, opts)
	check("on disk", requests)
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDeletionsLogDamage: a damaged request is reported, the others are in force.
func TestDeletionsLogDamage(t *testing.T) {
	fs := vfs.NewMem()
	tab := openTable(t, lifeOptions(fs))
	all, of := personRows(t, tab, 50)
	unpause := pause(t, tab)
	for _, u := range []string{"user-0", "user-1"} {
		if _, err := deleteUser(tab, u); err != nil {
			t.Fatal(err)
		}
	}
	data := readFile(t, fs, "/table/"+deletionsName)
	unpause()
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	data[30] ^= 1
	data = append(data, "0123 torn"...)
	damaged := vfs.NewMem()
	if err := damaged.MkdirAll("/table", 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, damaged, "/table/"+deletionsName, data)
	tab = openTable(t, lifeOptions(damaged))
	if d := tab.Damages(); len(d) != 1 || !strings.Contains(d[0].Reason, "make the requests again") {
		t.Fatalf("damages: %+v", d)
	}
	unpause = pause(t, tab)
	personRows(t, tab, 50)
	got := lifeIDs(t, tab, nil)
	unpause()
	if want := without(all, of["user-1"]); len(tab.Deletions(model.ScopeAll())) != 1 || !equalSets(got, want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
}

// TestDeletionOnADiskThatFails: a request that could not be made durable is
// refused and not in force, and the proof waits until the disk takes it.
func TestDeletionOnADiskThatFails(t *testing.T) {
	for _, fault := range []struct{ write, sync error }{{syscall.ENOSPC, nil}, {nil, syscall.EIO}} {
		fs := &faulty{FS: vfs.NewMem()}
		opts := lifeOptions(fs)
		tab := openTable(t, opts)
		all, of := personRows(t, tab, 60)
		unpause := pause(t, tab)
		first, err := deleteUser(tab, "user-0")
		if err != nil {
			t.Fatal(err)
		}
		fs.set(fault.write, fault.sync, 0)
		if _, err := deleteUser(tab, "user-1"); err == nil || !store.Retryable(err) {
			t.Fatalf("%+v: %v", fault, err)
		}
		if got, want := lifeIDs(t, tab, nil), without(all, of["user-0"]); !equalSets(got, want) {
			t.Fatalf("%+v: %d rows are shown, %d should be", fault, len(got), len(want))
		}
		unpause()
		if err := tab.leave(testNow); err == nil {
			t.Fatalf("%+v: rows were removed although nothing can be written", fault)
		}
		if deletionOf(t, tab, first).Proof != nil {
			t.Fatalf("%+v: a proof that is not durable", fault)
		}
		fs.set(nil, nil, 0)
		third, err := deleteUser(tab, "user-2")
		if err != nil {
			t.Fatalf("%+v is over: %v", fault, err)
		}
		if err := tab.leave(testNow); err != nil {
			t.Fatalf("%+v is over: %v", fault, err)
		}
		if err := tab.Close(); err != nil {
			t.Fatal(err)
		}
		tab = openTable(t, opts)
		if n := len(tab.Deletions(model.ScopeAll())); n != 2 {
			t.Errorf("%+v: %d requests after a restart", fault, n)
		}
		for id, user := range map[string]string{first: "user-0", third: "user-2"} {
			if p := deletionOf(t, tab, id).Proof; p == nil || p.Rows != int64(len(of[user])) {
				t.Errorf("%+v: proof of %s: %+v", fault, user, p)
			}
		}
		if got, want := lifeIDs(t, tab, nil), without(without(all, of["user-0"]), of["user-2"]); !equalSets(got, want) {
			t.Errorf("%+v: %d rows after a restart, %d should be", fault, len(got), len(want))
		}
	}
}
