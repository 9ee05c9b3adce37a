package columnar

import (
	"cmp"
	"strings"

	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

// pruner finds the granules of one row group in which a predicate can be
// satisfied, with the page directory, the indexes and dictionaries, but without
// any row. find wants it reduced.
type pruner struct {
	seg   *segment
	group int
	all   uint64
}

func newPruner(s *segment, group int) *pruner {
	return &pruner{s, group, allGranules((s.groups[group].rows + granuleRows - 1) / granuleRows)}
}

func (pr *pruner) find(p store.Pred) (uint64, error) {
	switch p := p.(type) {
	case nil, store.True:
		return pr.all, nil
	case store.And:
		found := pr.all
		for _, child := range cheapFirst(p) {
			got, err := pr.find(child)
			if err != nil {
				return 0, err
			}
			if found &= got; found == 0 {
				return 0, nil
			}
		}
		return found, nil
	case store.Or:
		found := uint64(0)
		for _, child := range p {
			got, err := pr.find(child)
			if err != nil {
				return 0, err
			}
			if found |= got; found == pr.all {
				break
			}
		}
		return found, nil
	}
	switch p := p.(type) {
	case store.Cmp:
		return pr.compare(p)
	case store.In:
		return pr.in(p)
	case store.TextEq:
		return pr.textEq(p)
	case store.Contains:
		return pr.contains(p.Col, p.Sub)
	case store.Match:
		return pr.match(p)
	case store.Exists:
		if p.Col.Scope == store.Attr && !pr.hasAttr(p.Col.Name) {
			return 0, nil
		}
	}
	return pr.all, nil
}

func (pr *pruner) chunk(name string) *parquetio.Chunk {
	if i := pr.seg.file.Column(name); i >= 0 {
		return &pr.seg.file.Groups[pr.group].Chunks[i]
	}
	return nil
}

// maxPrunedTexts is how many texts are looked up in the index of every row
// group. With more of them hardly a group is without one.
const maxPrunedTexts = 256

func (pr *pruner) in(p store.In) (uint64, error) {
	field := pr.seg.schema.Index(p.Col.Name)
	if p.Col.Scope != store.Intrinsic || field < 0 || len(p.Texts) > maxPrunedTexts {
		return pr.all, nil
	}
	found := uint64(0)
	for _, text := range p.Texts {
		got, err := pr.compare(store.Cmp{Col: p.Col, Op: store.Eq, Val: store.Value{Kind: pr.seg.schema.Fields[field].Kind, Str: text}})
		if err != nil {
			return 0, err
		}
		found |= got
	}
	return found, nil
}

// hasAttr tells whether any row can have the attribute.
func (pr *pruner) hasAttr(key string) bool {
	if pr.seg.groups[pr.group].restFull {
		return true
	}
	for kind := range kindSuffix {
		if pr.present(key, kind) {
			return true
		}
	}
	return false
}

// present tells whether a row has the attribute with this kind, in its column.
func (pr *pruner) present(key string, kind store.Kind) bool {
	name := attrColumn(key, kind)
	if name == "" {
		return false
	}
	c := pr.chunk(name)
	return c != nil && c.Nulls < int64(pr.seg.groups[pr.group].rows)
}

func (pr *pruner) compare(p store.Cmp) (uint64, error) {
	if p.Col.Scope == store.Attr {
		if !pr.hasAttr(p.Col.Name) {
			return 0, nil
		}
		if p.Op == store.Eq && p.Val.Kind == store.KindString {
			return pr.attrValue(p.Col.Name, p.Val.Str)
		}
		return pr.all, nil
	}
	if p.Col.Scope != store.Intrinsic || p.Op == store.Ne {
		return pr.all, nil
	}
	col := pr.seg.file.Column(p.Col.Name)
	if col < 0 || pr.seg.file.Columns[col].Kind != p.Val.Kind {
		return pr.all, nil
	}
	found := pr.pages(col, p)
	if found == 0 || p.Op != store.Eq || p.Val.Kind != store.KindString && p.Val.Kind != store.KindBytes {
		return found, nil
	}
	return pr.value(found, col, p.Val.Str)
}

// pages returns the granules of pages whose bounds allow p.
func (pr *pruner) pages(col int, p store.Cmp) uint64 {
	column := &pr.seg.file.Columns[col]
	c := &pr.seg.file.Groups[pr.group].Chunks[col]
	text := column.Kind == store.KindString || column.Kind == store.KindBytes
	if column.Kind == store.KindInt || text {
		if c.Bounded && !boundsAllow(p, c.MinInt, c.MaxInt, c.MinStr, c.MaxStr) {
			return 0
		}
	}
	if !column.Delta && !column.Bounds {
		return pr.all
	}
	found := uint64(0)
	for i := range c.Pages {
		pg := &c.Pages[i]
		if pg.Rows > 0 && boundsAllow(p, pg.MinInt, pg.MaxInt, pg.MinStr, pg.MaxStr) {
			found |= granulesOf(int(pg.First), int(pg.First+pg.Rows))
		}
	}
	return found
}

// granulesOf is the set of granules that hold the rows [lo, hi).
func granulesOf(lo, hi int) uint64 {
	return allGranules((hi+granuleRows-1)/granuleRows) &^ (1<<(lo/granuleRows) - 1)
}

func boundsAllow(p store.Cmp, minInt, maxInt int64, minStr, maxStr string) bool {
	var below, above int // compare the value with the bounds
	if p.Val.Kind == store.KindInt {
		below, above = cmp.Compare(p.Val.Int, minInt), cmp.Compare(p.Val.Int, maxInt)
	} else {
		below, above = strings.Compare(p.Val.Str, minStr), strings.Compare(p.Val.Str, maxStr)
	}
	switch p.Op {
	case store.Eq:
		return below >= 0 && above <= 0
	case store.Lt:
		return below > 0
	case store.Le:
		return below >= 0
	case store.Gt:
		return above < 0
	case store.Ge:
		return above <= 0
	}
	return true
}

// value narrows found to granules that may have the text in a column.
func (pr *pruner) value(found uint64, col int, text string) (uint64, error) {
	column := &pr.seg.file.Columns[col]
	info := &pr.seg.groups[pr.group]
	if info.values.covers(column.Name) {
		got, err := info.values.find(valueKey(text, column.Kind))
		return found & got, err
	}
	if info.words.covers(column.Name) {
		return pr.clauses(found, clausesOf(text))
	}
	c := &pr.seg.file.Groups[pr.group].Chunks[col]
	if c.Dict == nil || len(c.Frames) > 1 {
		return found, nil
	}
	dict, err := pr.seg.dictionary(pr.group, col, nil)
	if err != nil {
		return 0, err
	}
	for _, s := range dict {
		if s == text {
			return found, nil
		}
	}
	return 0, nil
}

// attrValue is about an attribute that renders as text in some row.
func (pr *pruner) attrValue(key, text string) (uint64, error) {
	if pr.seg.groups[pr.group].restFull {
		return pr.all, nil
	}
	for kind := range kindSuffix {
		if kind != store.KindString && pr.present(key, kind) {
			return pr.all, nil
		}
	}
	name := attrColumn(key, store.KindString)
	if name == "" {
		return pr.all, nil
	}
	col := pr.seg.file.Column(name)
	if col < 0 {
		return 0, nil
	}
	return pr.value(pr.all, col, text)
}

func (pr *pruner) textEq(p store.TextEq) (uint64, error) {
	if p.Text == "" {
		return pr.all, nil
	}
	if p.Col.Scope == store.Attr {
		return pr.attrValue(p.Col.Name, p.Text)
	}
	if p.Col.Scope != store.Intrinsic {
		return pr.all, nil
	}
	col := pr.seg.file.Column(p.Col.Name)
	if col < 0 || pr.seg.file.Columns[col].Kind != store.KindString && pr.seg.file.Columns[col].Kind != store.KindBytes {
		return pr.all, nil
	}
	return pr.compare(store.Cmp{Col: p.Col, Op: store.Eq, Val: store.Value{Kind: pr.seg.file.Columns[col].Kind, Str: p.Text}})
}

// contains narrows by the words that a text must have.
func (pr *pruner) contains(ref store.ColumnRef, sub string) (uint64, error) {
	if ref.Scope != store.Intrinsic {
		return pr.all, nil
	}
	if !pr.seg.groups[pr.group].words.covers(ref.Name) {
		return pr.all, nil
	}
	return pr.clauses(pr.all, clausesOf(sub))
}

func (pr *pruner) clauses(found uint64, clauses []clause) (uint64, error) {
	x := pr.seg.groups[pr.group].words
	for _, c := range clauses {
		any := uint64(0)
		for _, keys := range c {
			all := found
			for _, k := range keys {
				got, err := x.find(k)
				if err != nil {
					return 0, err
				}
				if all &= got; all == 0 {
					break
				}
			}
			any |= all
		}
		if found &= any; found == 0 {
			return 0, nil
		}
	}
	return found, nil
}

func (pr *pruner) match(p store.Match) (uint64, error) {
	found := pr.all
	for _, literal := range requiredLiterals(p.Re) {
		got, err := pr.contains(p.Col, literal)
		if err != nil {
			return 0, err
		}
		if found &= got; found == 0 {
			return 0, nil
		}
	}
	return found, nil
}
