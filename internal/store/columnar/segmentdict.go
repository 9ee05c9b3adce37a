package columnar

import (
	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// dictionaryFor returns the dictionary of a column of which n rows are read, nil
// when it has none or texts does better.
func (s *segment) dictionaryFor(group, col, n int, how *reading) ([]string, error) {
	c := &s.file.Groups[group].Chunks[col]
	switch {
	case c.Dict == nil:
		return nil, nil
	case how.whole != nil:
		dict, decoded, err := how.whole(group, col)
		how.bytes += int64(decoded)
		return dict, err
	case !s.worthDictionary(c, group, col, n):
		return nil, nil
	}
	how.bytes += int64(c.DictBytes())
	return s.dictionary(group, col, nil)
}

// sparseDictionary is how many entries of a dictionary for each wanted row make
// it better to decode only the frames of these rows.
const sparseDictionary = 2

func (s *segment) worthDictionary(c *parquetio.Chunk, group, col, rows int) bool {
	return len(c.Frames) == 1 || rows*sparseDictionary > int(c.DictLen) || s.cache.get(cacheKey{s.ID, int32(group), int32(col), dictionaryPage}) != nil
}

// dictionaryPage and runsPage are the page numbers under which a dictionary and
// the runs of a column are cached, and firstFrame that of a dictionary's first
// part; the others follow downwards.
const (
	dictionaryPage = -1
	runsPage       = -2
	firstFrame     = -3
)

// maxCachedDictionary is the size of dictionaries that scans of everything leave to
// the cache. Those of long texts would push out what many small questions need.
const maxCachedDictionary = 1 << 20

// dictionary decodes a dictionary through the cache, or with mem, when it is large,
// into buffers of it.
func (s *segment) dictionary(group, col int, mem *parquetio.Memory) ([]string, error) {
	key := cacheKey{s.ID, int32(group), int32(col), dictionaryPage}
	if mem != nil && parquetio.Poisoned {
		return s.file.Dictionary(group, col, mem) // As if all were large.
	}
	if v := s.cache.get(key); v != nil {
		return v.Dict, nil
	}
	if mem != nil && s.file.Groups[group].Chunks[col].DictBytes() > maxCachedDictionary {
		return s.file.Dictionary(group, col, mem)
	}
	dict, err := s.file.Dictionary(group, col, nil)
	if err != nil {
		return nil, err
	}
	s.cache.put(key, &store.Vec{Dict: dict})
	return dict, nil
}

// frame returns a part of a large dictionary through the cache, where parts that
// searches keep coming back to stay.
func (s *segment) frame(group, col, i int) ([]string, error) {
	key := cacheKey{s.ID, int32(group), int32(col), firstFrame - int32(i)}
	if v := s.cache.get(key); v != nil {
		return v.Dict, nil
	}
	entries, err := s.file.FrameOf(group, col, i, nil)
	if err != nil {
		return nil, err
	}
	s.cache.put(key, &store.Vec{Dict: entries})
	return entries, nil
}
