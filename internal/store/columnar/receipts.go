package columnar

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

const (
	// maxReceiptBytes bounds the memory of receipts: 200 requests a second for ten
	// minutes. Beyond it the oldest are forgotten first.
	maxReceiptBytes = 16 << 20
	// receiptBytes is about what one takes, with its place in the map and the queue.
	receiptBytes = 128
	// maxReceiptText is how much is kept of each message about refused rows.
	maxReceiptText = 512
	// digestKeyBytes is the length of the digest's secret, an AES-128 key.
	digestKeyBytes = 16
)

// receipt is what is remembered of one acknowledged request.
type receipt struct {
	id  store.RequestID
	at  int64 // Unix ns, when it was acknowledged
	res store.WriteResult
}

func (r *receipt) bytes() int {
	n := receiptBytes
	for reason, text := range r.res.Example {
		n += receiptBytes + len(reason) + len(text)
	}
	return n
}

// receipts are those of the last while. They live as long in the WAL: in the
// frames of their rows, then in a frame of their own (keepReceipts).
type receipts struct {
	window time.Duration // 0: none are kept
	mac    cipher.AEAD

	mu    sync.Mutex
	byID  map[store.RequestID]*receipt
	queue []*receipt // in the order they came
	first uint64     // number of queue[0]
	bytes int
}

func newReceipts(window time.Duration) *receipts {
	return &receipts{window: window, byID: map[store.RequestID]*receipt{}}
}

// newDigestKey returns a secret for setKey.
func newDigestKey() []byte {
	key := make([]byte, digestKeyBytes)
	_, _ = rand.Read(key) // It never fails.
	return key
}

func (r *receipts) setKey(key []byte) error {
	c, err := aes.NewCipher(key)
	if err == nil {
		r.mac, err = cipher.NewGCM(c)
	}
	return err
}

// digest is the GMAC of body, and of the products that are written to, under the
// table's secret: nobody who does not know it can make two requests that collide,
// and it is as fast as reading. The nonce may stay the same, because no digest
// leaves the data directory.
func (r *receipts) digest(scope model.Scope, body []byte) (id store.RequestID) {
	var room [64]byte
	text := room[:0]
	if !scope.All() {
		for _, p := range scope.Products() {
			text = binary.AppendUvarint(text, uint64(len(p)))
			text = append(text, p...)
		}
		text = append(text, 0xff)
	}
	var nonce [12]byte
	sealed := r.mac.Seal(nil, nonce[:], text, body)
	copy(id[:], sealed[len(text):])
	return id
}

// find returns the receipt of a request that is not older than the window at the
// time at.
func (r *receipts) find(id store.RequestID, at int64) *receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.byID[id]; known != nil && at-known.at < int64(r.window) {
		return known
	}
	return nil
}

func (r *receipts) add(x *receipt) {
	if r.window <= 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID[x.id] = x
	r.queue = append(r.queue, x)
	r.bytes += x.bytes()
	r.forget(x.at)
}

// forget drops what is too old at the time now or too much. The lock is held.
func (r *receipts) forget(now int64) {
	n := 0
	for n < len(r.queue) && (now-r.queue[n].at >= int64(r.window) || r.bytes > maxReceiptBytes) {
		x := r.queue[n]
		if r.byID[x.id] == x {
			delete(r.byID, x.id)
		}
		r.bytes -= x.bytes()
		r.queue[n] = nil
		n++
	}
	r.queue = r.queue[n:]
	r.first += uint64(n)
}

// next is the number of the receipt that comes next.
func (r *receipts) next() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first + uint64(len(r.queue))
}

// until returns the receipts with lower numbers that are not too old.
func (r *receipts) until(number uint64, now int64) []*receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(now)
	return slices.Clone(r.queue[:max(number, r.first)-r.first])
}

func (r *receipts) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue)
}

// receiptsTag begins the receipts of a frame.
const receiptsTag = 1

// appendReceipts encodes receipts as the end of a frame (FORMAT.md, "Receipts").
func appendReceipts(dst []byte, all ...*receipt) []byte {
	dst = append(dst, receiptsTag)
	for _, x := range all {
		dst = append(dst, x.id[:]...)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(x.at))
		dst = binary.AppendUvarint(dst, uint64(x.res.Stored))
		dst = binary.AppendUvarint(dst, uint64(len(x.res.Rejected)))
		for reason, n := range x.res.Rejected {
			dst = appendText(dst, string(reason))
			dst = binary.AppendUvarint(dst, uint64(n))
			dst = appendText(dst, x.res.Example[reason])
		}
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// parseReceipts reads the end of a frame, which may be empty.
func parseReceipts(data []byte) ([]*receipt, error) {
	if len(data) == 0 {
		return nil, nil
	}
	if data[0] != receiptsTag {
		return nil, errBlock
	}
	r := reader{data: data[1:]}
	text := func() string { return strings.Clone(r.str(r.uvarint())) }
	count := func() int {
		n := r.uvarint()
		r.require(n <= maxBlockRows)
		return int(n)
	}
	var out []*receipt
	for len(r.data) > 0 && r.err == nil {
		x := &receipt{}
		copy(x.id[:], r.take(uint64(len(x.id))))
		if at := r.take(8); r.err == nil {
			x.at = int64(binary.LittleEndian.Uint64(at))
		}
		x.res.Stored = count()
		for range count() {
			reason, n := store.RejectReason(text()), count()
			if x.res.Reject(reason, n, text()); r.err != nil {
				break
			}
		}
		out = append(out, x)
	}
	return out, r.err
}

// RequestID implements store.Receipts.
func (t *Table) RequestID(scope model.Scope, body []byte) store.RequestID {
	return t.receipts.digest(scope, body)
}

// Receipt implements store.Receipts.
func (t *Table) Receipt(id store.RequestID) (store.WriteResult, bool) {
	x := t.receipts.find(id, t.opts.Now().UnixNano())
	if x == nil {
		return store.WriteResult{}, false
	}
	return x.res, true
}

// AppendRequest is Append for the rows of one request, whose outcome is res. If
// ctx names the request and its outcome is lasting, its receipt is made durable
// with the rows.
func (t *Table) AppendRequest(ctx context.Context, b *Builder, res store.WriteResult) error {
	id, ok := store.RequestIDFrom(ctx)
	if !ok || !res.Lasting() || t.receipts.window <= 0 {
		return t.append(b, nil)
	}
	x := &receipt{id: id, at: t.opts.Now().UnixNano(), res: store.WriteResult{Stored: res.Stored}}
	for reason, n := range res.Rejected {
		text := res.Example[reason]
		x.res.Reject(reason, n, strings.ToValidUTF8(text[:min(len(text), maxReceiptText)], ""))
	}
	return t.append(b, x)
}

// keepReceipts makes those of a frozen memtable durable in the present WAL file,
// because their own files are about to go. A failure costs only what receipts are
// good for, so it does not hold up the flush.
func (t *Table) keepReceipts(m *memtable) {
	kept := t.receipts.until(m.receipts, t.opts.Now().UnixNano())
	if len(kept) == 0 {
		return
	}
	frame := make([]byte, frameHead, frameHead+2+32*len(kept))
	frame = append(frame, 0, 0) // neither rows nor columns
	if err := t.wal.append(appendReceipts(frame, kept...)); err != nil {
		t.log.Warn("keep receipts; requests that are sent again after a crash may be stored twice", "receipts", len(kept), "err", err)
	}
}
