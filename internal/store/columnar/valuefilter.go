package columnar

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
	"math/bits"
	"slices"

	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// The value filter of a row group tells in which granules of 2,048 rows a value
// may occur. It is a split-block Bloom filter (Putze et al., "Cache-, Hash- and
// Space-Efficient Bloom Filters", 2007; blocks of 256 bits as Parquet has them)
// per granule, all of one size, laid out across: stripe i holds block i of every
// granule, so that one read of a few kilobytes answers for 131,072 rows.
//
//	stripe: 32 bytes for each granule | CRC-32C
const (
	granuleRows = parquetio.Granule
	// maxGranules is the number of granules in a row group: a set of them is a uint64.
	maxGranules = rowGroupRows / granuleRows
	blockBytes  = 32
	// valueBits are the bits for each key: about one granule in 40 is a false hit,
	// which costs reading a short column.
	valueBits = 8
)

// filterSalts are the odd constants of Parquet's split-block filter
// (parquet-format, BloomFilter.md).
var filterSalts = [8]uint32{0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31}

// groupIndexMeta says where the indexes of a row group are.
type groupIndexMeta struct {
	Words  wordIndexMeta `json:"words"`
	Values filterMeta    `json:"values"`
}

type filterMeta struct {
	Offset  int64    `json:"offset,omitempty"`
	Stripes int      `json:"stripes,omitempty"`
	Columns []string `json:"columns,omitempty"` // whose values are in it
}

// filterBuilder collects the keys of a row group.
type filterBuilder struct {
	granules []keySet
	columns  []string
}

func newFilterBuilder(rows int) *filterBuilder {
	return &filterBuilder{granules: make([]keySet, (rows+granuleRows-1)/granuleRows)}
}

// values adds every whole text of a column.
func (x *filterBuilder) values(name string, v *store.Vec, rows int) {
	x.columns = append(x.columns, name)
	last, lastKey := "", valueKey("", v.Kind)
	for i := range rows {
		if v.Null(i) {
			continue
		}
		if s := v.Str(i); s != last {
			last, lastKey = s, valueKey(s, v.Kind)
		}
		x.granules[i/granuleRows].add(lastKey)
	}
}

// encode returns the stripes; none when there are no keys.
func (x *filterBuilder) encode() (data []byte, stripes int) {
	total := 0
	for i := range x.granules {
		total += x.granules[i].n
	}
	if total == 0 {
		return nil, 0
	}
	width := len(x.granules) * blockBytes
	stripes = (total*valueBits + 8*width - 1) / (8 * width)
	data = make([]byte, stripes*(width+4))
	for g := range x.granules {
		for _, h := range x.granules[g].slots {
			if h == 0 {
				continue
			}
			stripe, mask := filterBlock(h, stripes)
			at := stripe*(width+4) + g*blockBytes
			for w, m := range mask {
				p := data[at+4*w:]
				binary.LittleEndian.PutUint32(p, binary.LittleEndian.Uint32(p)|m)
			}
		}
	}
	for s := range stripes {
		row := data[s*(width+4):]
		binary.LittleEndian.PutUint32(row[width:], crc32.Checksum(row[:width], castagnoli))
	}
	return data, stripes
}

// filterBlock returns the stripe of a key and its eight bits in the block.
func filterBlock(key uint64, stripes int) (stripe int, mask [8]uint32) {
	stripe = int((key >> 32) * uint64(stripes) >> 32)
	for i, salt := range filterSalts {
		mask[i] = 1 << (uint32(key) * salt >> 27)
	}
	return stripe, mask
}

// keySet is a set of non-zero keys by open addressing.
type keySet struct {
	slots []uint64
	n     int
}

func (s *keySet) addAll(keys []uint64) {
	for _, k := range keys {
		s.add(k)
	}
}

func (s *keySet) add(k uint64) {
	if k == 0 {
		k = 1
	}
	if 4*(s.n+1) > 3*len(s.slots) {
		s.grow()
	}
	mask := uint64(len(s.slots) - 1)
	for i := k & mask; ; i = (i + 1) & mask {
		switch s.slots[i] {
		case k:
			return
		case 0:
			s.slots[i] = k
			s.n++
			return
		}
	}
}

func (s *keySet) grow() {
	old := s.slots
	s.slots = make([]uint64, max(1024, 2*len(old)))
	s.n = 0
	for _, k := range old {
		if k != 0 {
			s.add(k)
		}
	}
}

// filter reads one index of a row group.
type filter struct {
	file     *parquetio.File
	meta     filterMeta
	granules int
}

func (x *filter) covers(column string) bool {
	return x.meta.Stripes > 0 && slices.Contains(x.meta.Columns, column)
}

// find returns the granules that may have the key. A damaged stripe is an error.
func (x *filter) find(key uint64) (uint64, error) {
	if key == 0 {
		key = 1
	}
	stripe, mask := filterBlock(key, x.meta.Stripes)
	width := x.granules * blockBytes
	row, err := x.file.Blob(x.meta.Offset+int64(stripe)*int64(width+4), int64(width+4))
	if err != nil {
		return 0, err
	}
	if crc32.Checksum(row[:width], castagnoli) != binary.LittleEndian.Uint32(row[width:]) {
		return 0, fmt.Errorf("%w: checksum mismatch of the text index", errCorrupt)
	}
	found := uint64(0)
	for g := range x.granules {
		b := row[g*blockBytes:]
		missing := uint32(0)
		for w, m := range mask {
			missing |= m &^ binary.LittleEndian.Uint32(b[4*w:])
		}
		if missing == 0 {
			found |= 1 << g
		}
	}
	return found, nil
}

// verify reads every stripe.
func (x *filter) verify() error {
	width := x.granules * blockBytes
	for s := range x.meta.Stripes {
		row, err := x.file.Blob(x.meta.Offset+int64(s)*int64(width+4), int64(width+4))
		if err != nil {
			return err
		}
		if crc32.Checksum(row[:width], castagnoli) != binary.LittleEndian.Uint32(row[width:]) {
			return fmt.Errorf("%w: checksum mismatch of the text index", errCorrupt)
		}
	}
	return nil
}

// allGranules is the set of the first n granules.
func allGranules(n int) uint64 { return ^uint64(0) >> (64 - n) }

// stretches yields the first and one past the last granule of each part of a set
// without gaps.
func stretches(set uint64) iter.Seq2[int, int] {
	return func(yield func(lo, hi int) bool) {
		for set != 0 {
			lo := bits.TrailingZeros64(set)
			hi := lo + bits.TrailingZeros64(^(set >> lo))
			if !yield(lo, hi) || hi == 64 {
				return
			}
			set &^= 1<<hi - 1
		}
	}
}

// granuleSpan returns the first and one past the last granule of a set.
func granuleSpan(set uint64) (lo, hi int) {
	return bits.TrailingZeros64(set), 64 - bits.LeadingZeros64(set)
}
