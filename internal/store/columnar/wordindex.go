package columnar

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"slices"

	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// The word index of a row group is an inverted index from words to granules. A
// word is known by the first bits of its key: those that choose a bucket, and
// fingerprintBits more, of which a sorted bucket stores the differences in a
// Golomb-Rice code. It takes about as much as a Bloom filter of 11 bits for each
// granule and word, and a word that is nowhere has a hit in one row group of a
// thousand rather than in one granule of a hundred (ADR 010).
//
//	index:  end of each bucket u32… | buckets
//	bucket: CRC-32C of number and code u32 | code
//	code:   entries γ | for each: difference Rice(riceBits) | granules
const (
	fingerprintBits = 16
	// bucketKeys is how many words a bucket aims at: it is read as a whole.
	bucketKeys = 64
	// riceBits suits differences of 2^fingerprintBits/bucketKeys on average.
	riceBits = 10
)

// wordIndexMeta says where the word index of a row group is.
type wordIndexMeta struct {
	Offset     int64    `json:"offset,omitempty"`
	Bytes      int64    `json:"bytes,omitempty"`
	BucketBits int      `json:"bucket_bits,omitempty"` // 2^this buckets
	Columns    []string `json:"columns,omitempty"`     // whose words are in it
}

// wordIndexBuilder collects the words of a row group.
type wordIndexBuilder struct {
	granules []keySet
	columns  []string
}

func newWordIndexBuilder(rows int) *wordIndexBuilder {
	return &wordIndexBuilder{granules: make([]keySet, (rows+granuleRows-1)/granuleRows)}
}

// add adds the words of every text of a column.
func (x *wordIndexBuilder) add(name string, v *store.Vec, rows int) {
	x.columns = append(x.columns, name)
	var keys []uint64
	if v.Codes == nil {
		for i := range rows {
			keys = appendWordKeys(keys[:0], v.Strs[i])
			x.granules[i/granuleRows].addAll(keys)
		}
		return
	}
	// Each entry is taken apart once, for the granules that have it: the keys of
	// all entries together would take as much memory as the texts.
	granules := make([]uint64, len(v.Dict))
	for i := range rows {
		granules[v.Codes[i]] |= 1 << (i / granuleRows)
	}
	for i, s := range v.Dict {
		if granules[i] == 0 {
			continue
		}
		keys = appendWordKeys(keys[:0], s)
		for set := granules[i]; set != 0; set &= set - 1 {
			x.granules[bits.TrailingZeros64(set)].addAll(keys)
		}
	}
}

// encode returns the index and the bits of a bucket's number; nothing when there
// is no word.
func (x *wordIndexBuilder) encode() (data []byte, bucketBits int) {
	total := 0
	for i := range x.granules {
		total += x.granules[i].n
	}
	if total == 0 {
		return nil, 0
	}
	bucketBits = bits.Len(uint(total / bucketKeys))
	// The bits of a key that count, and below them the granule.
	shift := 64 - bucketBits - fingerprintBits
	pairs := make([]uint64, 0, total)
	for g := range x.granules {
		for _, k := range x.granules[g].slots {
			if k != 0 {
				pairs = append(pairs, k>>shift<<granuleBits|uint64(g))
			}
		}
	}
	slices.Sort(pairs)
	buckets := 1 << bucketBits
	data = make([]byte, 4*buckets, 4*buckets+3*total)
	var w bitWriter
	at := 0
	for b := range buckets {
		end := at
		for end < len(pairs) && int(pairs[end]>>(granuleBits+fingerprintBits)) == b {
			end++
		}
		w.reset()
		encodeBucket(&w, pairs[at:end], len(x.granules))
		at = end
		code := w.bytes()
		data = binary.LittleEndian.AppendUint32(data, bucketCRC(b, code))
		data = append(data, code...)
		binary.LittleEndian.PutUint32(data[4*b:], uint32(len(data)))
	}
	return data, bucketBits
}

const granuleBits = 6

func bucketCRC(number int, code []byte) uint32 {
	var n [4]byte
	binary.LittleEndian.PutUint32(n[:], uint32(number))
	return crc32.Update(crc32.Checksum(n[:], castagnoli), castagnoli, code)
}

func encodeBucket(w *bitWriter, pairs []uint64, granules int) {
	words := 0
	for i := range pairs {
		if i == 0 || pairs[i]>>granuleBits != pairs[i-1]>>granuleBits {
			words++
		}
	}
	w.gamma(uint64(words))
	prev := uint64(0)
	for i := 0; i < len(pairs); {
		word := pairs[i] >> granuleBits
		set := uint64(0)
		for ; i < len(pairs) && pairs[i]>>granuleBits == word; i++ {
			set |= 1 << (pairs[i] & (1<<granuleBits - 1))
		}
		f := word & (1<<fingerprintBits - 1)
		w.rice(f-prev, riceBits)
		prev = f
		w.granules(set, granules)
	}
}

// wordIndex reads the word index of one row group.
type wordIndex struct {
	file     *parquetio.File
	meta     wordIndexMeta
	granules int
}

func (x *wordIndex) covers(column string) bool {
	return x.meta.Bytes > 0 && slices.Contains(x.meta.Columns, column)
}

// find returns the granules that may have a word. Damage is an error.
func (x *wordIndex) find(key uint64) (uint64, error) {
	if key == 0 {
		key = 1
	}
	word := key >> (64 - x.meta.BucketBits - fingerprintBits)
	b := int(word >> fingerprintBits)
	code, err := x.bucket(b)
	if err != nil {
		return 0, err
	}
	r := bitReader{data: code}
	want, f := word&(1<<fingerprintBits-1), uint64(0)
	for range r.gamma() {
		f += r.rice(riceBits)
		set := r.granules()
		switch {
		case r.bad:
			return 0, fmt.Errorf("%w: word index", errCorrupt)
		case f == want:
			return set & allGranules(x.granules), nil
		case f > want:
			return 0, nil
		}
	}
	return 0, nil
}

// bucket reads and verifies a bucket.
func (x *wordIndex) bucket(b int) ([]byte, error) {
	from := int64(4 << x.meta.BucketBits)
	at, n := int64(4*b), int64(4)
	if b > 0 {
		at, n = at-4, 8
	}
	ends, err := x.file.Blob(x.meta.Offset+at, n)
	if err != nil {
		return nil, err
	}
	if b > 0 {
		from, ends = int64(binary.LittleEndian.Uint32(ends)), ends[4:]
	}
	end := int64(binary.LittleEndian.Uint32(ends))
	if from+4 > end || end > x.meta.Bytes {
		return nil, fmt.Errorf("%w: word index", errCorrupt)
	}
	data, err := x.file.Blob(x.meta.Offset+from, end-from)
	if err != nil {
		return nil, err
	}
	if bucketCRC(b, data[4:]) != binary.LittleEndian.Uint32(data) {
		return nil, fmt.Errorf("%w: checksum mismatch of the word index", errCorrupt)
	}
	return data[4:], nil
}

// verify reads every bucket.
func (x *wordIndex) verify() error {
	if x.meta.Bytes == 0 {
		return nil
	}
	for b := range 1 << x.meta.BucketBits {
		if _, err := x.bucket(b); err != nil {
			return err
		}
	}
	return nil
}
