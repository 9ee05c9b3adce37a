package columnar

import (
	"encoding/hex"

	"hinomi/internal/store"
)

// A word is a run of letters, digits, '_' and '-', and of bytes that are not
// ASCII; its key does not depend on ASCII case. Of words of at least longWord
// bytes, pieces are keys too, at every pieceBytes-th position: a text search means
// any part of a word, and a part of longWord bytes or more contains whole pieces,
// at one of pieceBytes offsets.
const (
	pieceBytes = 6
	longWord   = 17 // one more than the shortest part that is looked up
	minPart    = longWord - 1
	// maxWord bounds the words of which pieces are kept: encoded images are not
	// searched. hugeKey tells that a granule has longer ones.
	maxWord = 16 << 10
	hugeKey = 0x68756765776f7264
)

// wordByte is the lower-case form of bytes that belong to words, 0 for others.
var wordByte = func() (t [256]byte) {
	for i := range 256 {
		c := byte(i)
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_', c == '-', c >= 0x80:
			t[i] = c
		case 'A' <= c && c <= 'Z':
			t[i] = c + 'a' - 'A'
		}
	}
	return t
}()

// Parameters of FNV-1a with 64 bits (draft-eastlake-fnv), and of the finalizer
// of MurmurHash3, which spreads its result over all bits.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func finish(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func pieceKey(s string) uint64 {
	h := uint64(fnvOffset ^ 0x9e3779b97f4a7c15)
	for i := range len(s) {
		c := wordByte[s[i]]
		if c == 0 {
			c = s[i]
		}
		h = (h ^ uint64(c)) * fnvPrime
	}
	return finish(h)
}

// worthKey tells whether a word narrows a search: short ones, and short numbers,
// such as the parts of a time, are everywhere.
func worthKey(word string) bool {
	if len(word) > 3 {
		return true
	}
	if len(word) < 3 {
		return false
	}
	for i := range len(word) {
		if word[i] < '0' || word[i] > '9' {
			return true
		}
	}
	return false
}

// appendWordKeys appends the keys of a text's words.
func appendWordKeys(keys []uint64, s string) []uint64 {
	h, start := uint64(fnvOffset), 0
	for i := 0; i <= len(s); i++ {
		c := byte(0)
		if i < len(s) {
			c = wordByte[s[i]]
		}
		if c != 0 {
			h = (h ^ uint64(c)) * fnvPrime
			continue
		}
		if n := i - start; n > 3 || worthKey(s[start:i]) {
			keys = append(keys, finish(h))
			if n >= longWord {
				keys = appendPieces(keys, s[start:i])
			}
		}
		h, start = fnvOffset, i+1
	}
	return keys
}

func appendPieces(keys []uint64, word string) []uint64 {
	if len(word) > maxWord {
		return append(keys, hugeKey)
	}
	for k := 0; k+pieceBytes <= len(word); k += pieceBytes {
		keys = append(keys, pieceKey(word[k:k+pieceBytes]))
	}
	return keys
}

// valueKey is the key of a whole value. That of an id is the key of the word
// that it is in a text.
func valueKey(s string, kind store.Kind) uint64 {
	if kind == store.KindBytes {
		var buf [64]byte
		if hex.EncodedLen(len(s)) <= len(buf) {
			s = bytesString(hex.AppendEncode(buf[:0], stringBytes(s)))
		} else {
			s = hex.EncodeToString(stringBytes(s))
		}
	}
	h := uint64(fnvOffset)
	for i := range len(s) {
		c := wordByte[s[i]]
		if c == 0 {
			c = s[i]
		}
		h = (h ^ uint64(c)) * fnvPrime
	}
	return finish(h)
}

// clause is what a text search demands of a granule: for every clause, all keys
// of one of its alternatives.
type clause [][]uint64

// clausesOf says what a granule must have for a text in it to contain sub.
// Nothing is demanded of a granule by parts of words that are too short.
func clausesOf(sub string) []clause {
	var out []clause
	for i := 0; i < len(sub); {
		if wordByte[sub[i]] == 0 {
			i++
			continue
		}
		j := i
		for j < len(sub) && wordByte[sub[j]] != 0 {
			j++
		}
		word := sub[i:j]
		switch {
		case i > 0 && j < len(sub):
			if worthKey(word) {
				out = append(out, clause{{valueKey(word, store.KindString)}})
			}
		case len(word) >= minPart:
			out = append(out, partClause(word))
		}
		i = j
	}
	return out
}

// partClause is about a word of which only a part may be given: it is the whole
// word, or pieces of it lie at one of the offsets.
func partClause(part string) clause {
	c := clause{{valueKey(part, store.KindString)}, {hugeKey}}
	for off := range pieceBytes {
		var keys []uint64
		for k := off; k+pieceBytes <= len(part); k += pieceBytes {
			keys = append(keys, pieceKey(part[k:k+pieceBytes]))
		}
		c = append(c, keys)
	}
	return c
}
