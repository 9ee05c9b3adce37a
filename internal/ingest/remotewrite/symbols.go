package remotewrite

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"strings"
)

// symbolTable is the strings of a version 2 request. They share the request's
// memory: what outlives the request takes kept copies.
type symbolTable struct {
	text []string
	// kept are copies for the store, made once for all series that refer to them.
	kept map[uint32]string
	// hashes has 16 bytes for each symbol when the series cache is in use, so
	// that the key of a series is the hash of its symbols' hashes. The same
	// labels have the same key in every request, however its table is ordered.
	hashes []byte
	run    []byte
}

func (y *symbolTable) reset() {
	clear(y.text)
	clear(y.kept)
	y.text, y.hashes = y.text[:0], y.hashes[:0]
}

func (y *symbolTable) add(f field, cache *seriesCache) error {
	if len(y.text) >= maxSymbols {
		return fmt.Errorf("more than %d symbols in one request", maxSymbols)
	}
	y.text = append(y.text, f.text())
	if cache != nil {
		k := cache.key(f.bytes)
		y.hashes = binary.NativeEndian.AppendUint64(y.hashes, k[0])
		y.hashes = binary.NativeEndian.AppendUint64(y.hashes, k[1])
	}
	return nil
}

// keep is symbol i in memory of its own. The caller checked i.
func (y *symbolTable) keep(i uint32) string {
	if s, ok := y.kept[i]; ok {
		return s
	}
	if y.kept == nil {
		y.kept = map[uint32]string{}
	}
	s := strings.Clone(y.text[i])
	y.kept[i] = s
	return s
}

// key is the cache key of the series with these label references; false when a
// reference is outside of the table.
func (y *symbolTable) key(refs []uint32, cache *seriesCache) (seriesKey, bool) {
	y.run = y.run[:0]
	for _, r := range refs {
		at := int(r) * 16
		if at+16 > len(y.hashes) {
			return seriesKey{}, false
		}
		y.run = append(y.run, y.hashes[at:at+16]...)
	}
	return seriesKey{maphash.Bytes(cache.seeds[1], y.run), maphash.Bytes(cache.seeds[0], y.run)}, true
}
