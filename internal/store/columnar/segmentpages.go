package columnar

import (
	"fmt"
	"slices"

	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// dictionaries gives whole dictionaries to a reader of a row group, and tells how many
// bytes of entries were decoded for that: none when it had them.
type dictionaries func(group, col int) (dict []string, decoded int, err error)

// reading is how a column is read.
type reading struct {
	// whole, unless nil, has whole dictionaries decoded even for few rows.
	whole dictionaries
	// vecs lends the memory of vectors.
	vecs *parquetio.Vectors
	// kept has single values taken from, and left in, the cache.
	kept bool
	// bytes counts what was decoded, before compression.
	bytes int64
}

// column decodes the rows [lo, hi) of one column, page by page through the
// cache. nil when the segment has no such attribute; a fixed column that an older
// version did not write is all zero values.
func (s *segment) column(group int, name string, lo, hi int, how *reading) (*store.Vec, error) {
	col := s.file.Column(name)
	if col < 0 {
		return s.absent(name, hi-lo), nil
	}
	if v := s.same(group, col, hi-lo); v != nil {
		return v, nil
	}
	v, err := s.pages(group, col, lo, hi, how)
	if err != nil {
		return nil, fmt.Errorf("row group %d column %q: %w", group, name, err)
	}
	return v, nil
}

func (s *segment) absent(name string, n int) *store.Vec {
	if i := s.schema.Index(name); i >= 0 {
		if s.schema.Fields[i].Kind == store.KindFloat {
			return s.cache.repeated.float(0, n)
		}
		empty := colBuilder{kind: s.schema.Fields[i].Kind}
		return empty.finish(n)
	}
	return nil
}

func (s *segment) pages(group, col, lo, hi int, how *reading) (*store.Vec, error) {
	dict, err := s.dictionaryFor(group, col, hi-lo, how)
	if err != nil {
		return nil, err
	}
	c := &s.file.Groups[group].Chunks[col]
	var few [8]parquetio.PageData
	data := few[:0]
	from, to := c.PagesOf(lo, hi)
	for i := from; i < to; i++ {
		// Texts of several pages: what they take together is not worth the cache.
		page, err := s.page(group, col, i, to-from == 1)
		if err != nil {
			return nil, err
		}
		how.bytes += int64(page.Bytes())
		data = append(data, page)
	}
	v, err := s.file.Decode(group, col, lo, hi, data, dict, how.vecs)
	if err != nil {
		return nil, err
	}
	return s.texts(group, col, v, how)
}

// pick decodes few rows of a column, ascending.
func (s *segment) pick(group, col int, rows []uint32, how *reading) (*store.Vec, error) {
	if !how.kept {
		return s.pickPages(group, col, rows, how)
	}
	if v := s.values(group, col, rows); v != nil {
		how.bytes += int64(vecBytes(v))
		return v, nil
	}
	v, err := s.pickPages(group, col, rows, how)
	if err == nil {
		s.keepValues(group, col, rows, v)
	}
	return v, err
}

// pickPages is pick without values that were kept.
func (s *segment) pickPages(group, col int, rows []uint32, how *reading) (*store.Vec, error) {
	dict, err := s.dictionaryFor(group, col, len(rows), how)
	if err != nil {
		return nil, err
	}
	c := &s.file.Groups[group].Chunks[col]
	var out *store.Vec
	for len(rows) > 0 {
		i, _ := c.PagesOf(int(rows[0]), int(rows[0])+1)
		n := len(rows)
		if end := uint32(c.Pages[i].First + c.Pages[i].Rows); rows[n-1] >= end {
			n, _ = slices.BinarySearch(rows, end)
		}
		page, err := s.page(group, col, i, true)
		if err != nil {
			return nil, err
		}
		how.bytes += int64(page.Bytes())
		v, err := s.file.Pick(group, col, i, page, rows[:n], dict, how.vecs)
		if err != nil {
			return nil, err
		}
		if rows = rows[n:]; out == nil {
			out = v
			continue
		}
		out.Valid, out.Codes, out.Strs = append(out.Valid, v.Valid...), append(out.Codes, v.Codes...), append(out.Strs, v.Strs...)
		out.Ints, out.Floats = append(out.Ints, v.Ints...), append(out.Floats, v.Floats...)
	}
	return s.texts(group, col, out, how)
}

// texts looks up codes that were read without their dictionary, in the frames
// that they need.
func (s *segment) texts(group, col int, v *store.Vec, how *reading) (*store.Vec, error) {
	if v.Codes == nil || v.Dict != nil {
		return v, nil
	}
	return s.file.Texts(group, col, v, func(i int) ([]string, error) {
		how.bytes += int64(s.file.Groups[group].Chunks[col].Frames[i].Raw)
		return s.frame(group, col, i)
	})
}

// page returns the content of a page, kept by the cache if asked to.
func (s *segment) page(group, col, i int, keep bool) (parquetio.PageData, error) {
	key := cacheKey{s.ID, int32(group), int32(col), int32(i)}
	if e := s.cache.entry(key); e != nil {
		return e.page, nil
	}
	page, err := s.file.Page(group, col, i, nil)
	if err == nil && keep {
		s.cache.putPage(key, page)
	}
	return page, err
}

// load is column without the cache, for merges, whose memory it uses.
func (s *segment) load(group int, name string, lo, hi int, mem *parquetio.Memory) (*store.Vec, error) {
	col := s.file.Column(name)
	if col < 0 {
		return s.absent(name, hi-lo), nil
	}
	c := &s.file.Groups[group].Chunks[col]
	var dict []string
	if c.Dict != nil {
		if len(c.Frames) > 1 && (hi-lo)*sparseDictionary < int(c.DictLen) {
			coded, err := s.file.Read(group, col, lo, hi, nil, mem)
			if err != nil {
				return nil, err
			}
			return s.file.Texts(group, col, coded, func(i int) ([]string, error) { return s.file.FrameOf(group, col, i, mem) })
		}
		var err error
		if dict, err = s.file.Dictionary(group, col, mem); err != nil {
			return nil, err
		}
	}
	return s.file.Read(group, col, lo, hi, dict, mem)
}

// wanted tells whether a column can hold anything in the row group.
func (s *segment) wanted(group int, name string) bool {
	if name == restColumn {
		return s.groups[group].restFull
	}
	return s.file.Column(name) >= 0 || s.schema.Index(name) >= 0
}

// window is the rows [lo, hi) of v.
func window(v *store.Vec, lo, hi int) *store.Vec { return parquetio.Window(v, lo, hi) }
