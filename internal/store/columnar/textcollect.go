package columnar

import "hinomi/internal/store"

// textCollector collects the texts of a row group. A dense one keeps each text
// once, in memory of its own: what is collected are views that end.
type textCollector struct {
	dense bool
	bytes int64 // of what is kept
	strs  []string
	codes []uint32
	dict  []string
	index map[string]uint32
	arena []byte
}

// arenaBytes is the size of the pieces that kept texts are copied into.
const arenaBytes = 1 << 20

func (t *textCollector) add(strs []string) {
	if !t.dense {
		t.strs = append(t.strs, strs...)
		for _, s := range strs {
			t.bytes += int64(len(s))
		}
		return
	}
	if t.index == nil {
		t.index = make(map[string]uint32, rowGroupRows/4)
	}
	for _, s := range strs {
		code, ok := t.index[s]
		if !ok {
			code = uint32(len(t.dict))
			s = t.keep(s)
			t.dict = append(t.dict, s)
			t.index[s] = code
		}
		t.codes = append(t.codes, code)
	}
}

func (t *textCollector) keep(s string) string {
	t.bytes += int64(len(s))
	if len(t.arena)+len(s) > cap(t.arena) {
		t.arena = make([]byte, 0, max(arenaBytes, len(s)))
	}
	from := len(t.arena)
	t.arena = append(t.arena, s...)
	return bytesString(t.arena[from:len(t.arena):len(t.arena)])
}

// vec is the column: with a dictionary where at least every second text repeats
// another.
func (t *textCollector) vec(kind store.Kind) *store.Vec {
	if !t.dense {
		return &store.Vec{Kind: kind, Strs: t.strs}
	}
	if 2*len(t.dict) <= len(t.codes) {
		return &store.Vec{Kind: kind, Codes: t.codes, Dict: t.dict}
	}
	strs := make([]string, len(t.codes))
	for i, c := range t.codes {
		strs[i] = t.dict[c]
	}
	return &store.Vec{Kind: kind, Strs: strs}
}

// compact copies texts into one piece of memory.
func compact(strs []string, size int64) []string {
	all := make([]byte, 0, size)
	for _, s := range strs {
		all = append(all, s...)
	}
	out := make([]string, len(strs))
	at := 0
	for i, s := range strs {
		out[i] = bytesString(all[at : at+len(s)])
		at += len(s)
	}
	return out
}
