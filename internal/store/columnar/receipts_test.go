package columnar

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

func receiptOptions(fs vfs.FS) Options {
	o := testOptions(fs)
	o.ReceiptWindow = 10 * time.Minute
	return o
}

// requestID is that of the n-th request.
func requestID(tab *Table, n int) store.RequestID {
	return tab.RequestID(model.ScopeAll(), fmt.Append(nil, n))
}

func TestReceiptsSurviveWhereverTheirRowsAre(t *testing.T) {
	fs := vfs.NewCrashableMem()
	tab := openTable(t, receiptOptions(fs))
	refused := store.WriteResult{Stored: 2}
	refused.Reject(store.RejectTooNew, 3, "clock "+strings.Repeat("x", 600))
	refused.Reject(store.RejectTooLarge, 1, "large")
	want := map[int]store.WriteResult{}
	check := func(when string, fs vfs.FS) {
		t.Helper()
		crashed := openTable(t, receiptOptions(fs))
		defer crashed.Close()
		for n, res := range want {
			if got, ok := crashed.Receipt(requestID(crashed, n)); !ok || !reflect.DeepEqual(got, res) {
				t.Errorf("%s: request %d: %v %+v, want %+v", when, n, ok, got, res)
			}
		}
		if _, ok := crashed.Receipt(requestID(crashed, 1000)); ok {
			t.Errorf("%s: a request that never was is known", when)
		}
		if got, _ := ids(t, crashed); duplicate(got) >= 0 || len(crashed.Damages()) != 0 {
			t.Errorf("%s: rows %v, %v", when, got, crashed.Damages())
		}
	}
	for n := range 4 {
		if err := addRequest(tab, requestID(tab, n), n); err != nil {
			t.Fatal(err)
		}
		want[n] = store.WriteResult{Stored: 1}
		check("in the WAL", fs.CrashClone(vfs.CrashCloneCfg{}))
		if err := tab.Flush(); err != nil {
			t.Fatal(err)
		}
		check("flushed", fs.CrashClone(vfs.CrashCloneCfg{}))
	}
	if err := tab.AppendRequest(store.WithRequestID(context.Background(), requestID(tab, 4)), fill(tab, []int{4, 5}), refused); err != nil {
		t.Fatal(err)
	}
	refused.Example[store.RejectTooNew] = refused.Example[store.RejectTooNew][:maxReceiptText]
	want[4] = refused
	check("with refused rows", fs.CrashClone(vfs.CrashCloneCfg{}))
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	check("closed", fs.CrashClone(vfs.CrashCloneCfg{}))
	check("opened again", fs)
	check("and again", fs)
}

func TestWhatLeavesNoReceipt(t *testing.T) {
	fs := vfs.NewMem()
	tab := openTable(t, receiptOptions(fs))
	id := requestID(tab, 0)
	ctx := store.WithRequestID(context.Background(), id)
	for name, res := range map[string]store.WriteResult{"stamped": {Stored: 1, Stamped: 1}, "nothing stored": {}} {
		if err := tab.AppendRequest(ctx, fill(tab, count(res.Stored)), res); err != nil {
			t.Fatal(err)
		}
		if _, ok := tab.Receipt(id); ok {
			t.Errorf("%s: there is a receipt", name)
		}
	}
	if err := tab.AppendRequest(context.Background(), fill(tab, []int{1}), store.WriteResult{Stored: 1}); err != nil {
		t.Fatal(err)
	}
	if n := tab.receipts.len(); n != 0 {
		t.Errorf("%d receipts of rows without a request", n)
	}
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	off := receiptOptions(fs)
	off.ReceiptWindow = 0
	tab = openTable(t, off)
	if err := addRequest(tab, id, 2); err != nil {
		t.Fatal(err)
	}
	if _, ok := tab.Receipt(id); ok {
		t.Error("there is a receipt although none are kept")
	}
}

// TestAFailedSyncAndTheRetryAreOneRequest finds in the WAL a frame whose sync
// failed and, in the next file, the one that its sender got stored instead.
func TestAFailedSyncAndTheRetryAreOneRequest(t *testing.T) {
	mem := vfs.NewMem()
	fs := &faulty{FS: mem}
	tab := openTable(t, receiptOptions(fs))
	if err := addRequest(tab, requestID(tab, 0), 1, 2); err != nil {
		t.Fatal(err)
	}
	// The frames of both, as a kill leaves them.
	twice := vfs.NewMem()
	if ok, err := vfs.Clone(mem, twice, "/table", "/table"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	writeFile(t, twice, "/table/wal/"+walName(2), readFile(t, twice, "/table/wal/"+walName(1)))
	if got, _ := ids(t, openTable(t, receiptOptions(twice))); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("rows %v", got)
	}
	fs.set(nil, syscall.EIO, 0)
	if err := addRequest(tab, requestID(tab, 1), 3); !store.Retryable(err) {
		t.Fatalf("error %v", err)
	}
	fs.set(nil, nil, 0)
	if _, ok := tab.Receipt(requestID(tab, 1)); ok {
		t.Error("a request that was not acknowledged has a receipt")
	}
}

func TestReceiptsAreForgotten(t *testing.T) {
	r := newReceipts(time.Minute)
	at := func(n int) store.RequestID { return store.RequestID{byte(n), byte(n >> 8), byte(n >> 16)} }
	second := int64(time.Second)
	for n := range 100 {
		r.add(&receipt{id: at(n), at: int64(n) * second})
	}
	for n, want := range map[int]bool{99: true, 40: true, 39: false, 0: false} {
		if got := r.find(at(n), 99*second) != nil; got != want {
			t.Errorf("after 99 s, the one of second %d: %v", n, got)
		}
	}
	if n := r.len(); n != 60 {
		t.Errorf("%d are kept, want 60", n)
	}
	if r.find(at(99), 158*second) == nil || r.find(at(99), 159*second) != nil {
		t.Error("the window does not end after a minute")
	}
	if got := r.until(70, 99*second); len(got) != 30 || got[0].id != at(40) || got[29].id != at(69) {
		t.Errorf("%d below number 70", len(got))
	}
	// The same request again, when its first receipt is too old.
	r.add(&receipt{id: at(99), at: 160 * second})
	if r.find(at(99), 200*second) == nil {
		t.Error("the second receipt went with the first")
	}
	// Bounded whatever comes.
	most := maxReceiptBytes / receiptBytes
	for n := range most + 1000 {
		r.add(&receipt{id: at(n), at: 300 * second})
	}
	if len(r.byID) > most || len(r.queue) > most || r.bytes > maxReceiptBytes || r.find(at(999), 300*second) != nil || r.find(at(1001), 300*second) == nil {
		t.Errorf("%d receipts take %d bytes", len(r.queue), r.bytes)
	}
}

func TestRequestIDs(t *testing.T) {
	fs := vfs.NewMem()
	a, other := openTable(t, receiptOptions(fs)), openTable(t, receiptOptions(vfs.NewMem()))
	body := bytes.Repeat([]byte("body "), 1000)
	seen := map[store.RequestID]string{}
	note := func(name string, id store.RequestID) {
		t.Helper()
		if before, ok := seen[id]; ok {
			t.Errorf("%s and %s have the same id", name, before)
		}
		seen[id] = name
	}
	for name, scope := range map[string]model.Scope{
		"all": model.ScopeAll(), "none": {}, "two": model.ScopeProducts(model.RoleAdmin, "a", "b"), "one": model.ScopeProducts(model.RoleAdmin, "ab"),
	} {
		note(name, a.RequestID(scope, body))
	}
	note("longer", a.RequestID(model.ScopeAll(), append(bytes.Clone(body), 0)))
	note("shorter", a.RequestID(model.ScopeAll(), body[1:]))
	note("empty", a.RequestID(model.ScopeAll(), nil))
	note("another table", other.RequestID(model.ScopeAll(), body))
	id := a.RequestID(model.ScopeAll(), body)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if openTable(t, receiptOptions(fs)).RequestID(model.ScopeAll(), body) != id {
		t.Error("the id changed with a restart")
	}
}

// TestReceiptFormat pins the bytes that FORMAT.md describes.
func TestReceiptFormat(t *testing.T) {
	x := &receipt{id: store.RequestID{1, 2, 3, 15: 16}, at: 0x1122334455, res: store.WriteResult{Stored: 300}}
	x.res.Reject(store.RejectTooOld, 2, "old")
	const want = "01" + "01020300000000000000000000000010" + "5544332211000000" + "ac02" + "01" + "07746f6f5f6f6c64" + "02" + "036f6c64"
	data := appendReceipts(nil, x)
	if got := hex.EncodeToString(data); got != want {
		t.Errorf("encoded as %s, want %s", got, want)
	}
	got, err := parseReceipts(data)
	if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], x) {
		t.Errorf("decoded as %+v, %v", got, err)
	}
	for n := 1; n < len(data); n++ {
		if _, err := parseReceipts(data[:n]); err == nil && n != 1 {
			t.Errorf("%d of %d bytes are accepted", n, len(data))
		}
	}
	if _, err := parseReceipts([]byte{2}); err == nil {
		t.Error("an unknown tag is accepted")
	}
}

func FuzzParseReceipts(f *testing.F) {
	x := &receipt{id: store.RequestID{1}, at: 5, res: store.WriteResult{Stored: 1}}
	x.res.Reject(store.RejectTooOld, 2, "old")
	f.Add(appendReceipts(nil, x, x))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := parseReceipts(data)
		if err != nil || len(data) == 0 {
			return
		}
		again, err := parseReceipts(appendReceipts(nil, all...))
		if err != nil || !reflect.DeepEqual(again, all) {
			t.Fatalf("%+v, %v, was %+v", again, err, all)
		}
	})
}

func BenchmarkRequestID(b *testing.B) {
	tab := openTable(b, receiptOptions(vfs.NewMem()))
	body := make([]byte, 500*800)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		tab.RequestID(model.ScopeAll(), body)
	}
}
