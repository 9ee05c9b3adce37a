package parquetio

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"

	"hinomi/internal/store"
)

func codecs(t testing.TB) (*zstd.Encoder, *zstd.Decoder) {
	t.Helper()
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dec.Close)
	return enc, dec
}

// randomColumn makes n values; style varies what encodings meet.
func randomColumn(rng *rand.Rand, c Column, n, style int) *store.Vec {
	v := &store.Vec{Kind: c.Kind}
	if c.Optional {
		v.Valid = make([]bool, n)
		for i := range v.Valid {
			v.Valid[i] = style%4 == 1 || style%4 > 1 && rng.IntN(3) > 0
		}
	}
	text := func() string {
		switch style % 3 {
		case 0:
			return fmt.Sprint("value ", rng.IntN(20))
		case 1:
			return fmt.Sprintf("%016x", rng.Uint64())
		}
		b := make([]byte, rng.IntN(200))
		for i := range b {
			b[i] = byte(rng.IntN(256))
		}
		if c.Kind == store.KindString {
			return fmt.Sprintf("%x", b)
		}
		return string(b)
	}
	switch c.Kind {
	case store.KindInt:
		v.Ints = make([]int64, n)
		for i := range v.Ints {
			v.Ints[i] = []int64{0, int64(i) * 1000, rng.Int64() - math.MaxInt64/2}[style%3]
		}
	case store.KindBool:
		v.Ints = make([]int64, n)
		for i := range v.Ints {
			v.Ints[i] = int64(rng.IntN(2))
		}
	case store.KindFloat:
		v.Floats = make([]float64, n)
		for i := range v.Floats {
			v.Floats[i] = rng.NormFloat64()
		}
	default:
		strs := make([]string, n)
		last := text()
		for i := range strs {
			if rng.IntN(1+style) == 0 {
				last = text()
			}
			strs[i] = last
		}
		if style%2 == 1 {
			v.Strs = strs
			break
		}
		index := map[string]uint32{}
		for _, s := range strs {
			code, ok := index[s]
			if !ok {
				code = uint32(len(v.Dict))
				index[s] = code
				v.Dict = append(v.Dict, s)
			}
			v.Codes = append(v.Codes, code)
		}
	}
	return v
}

var testColumns = []Column{
	{Name: "ts", Kind: store.KindInt, Delta: true}, {Name: "n", Kind: store.KindInt, Optional: true},
	{Name: "f", Kind: store.KindFloat, Optional: true}, {Name: "b", Kind: store.KindBool, Optional: true}, {Name: "b0", Kind: store.KindBool},
	{Name: "s", Kind: store.KindString}, {Name: "o", Kind: store.KindString, Optional: true}, {Name: "id", Kind: store.KindBytes, Bounds: true},
}

// written is a file with what was put into it.
type written struct {
	file   []byte
	crc    uint32
	groups [][]*store.Vec
	rows   []int
}

func write(t testing.TB, rng *rand.Rand, codec Codec, sizes ...int) written {
	t.Helper()
	enc, _ := codecs(t)
	var buf bytes.Buffer
	w := NewWriter(&buf, "test", testColumns, codec, enc)
	out := written{rows: sizes}
	for g, n := range sizes {
		var vecs []*store.Vec
		for i, c := range testColumns {
			v := randomColumn(rng, c, n, g+i)
			if err := w.Column(v, n); err != nil {
				t.Fatal(err)
			}
			vecs = append(vecs, v)
		}
		out.groups = append(out.groups, vecs)
		if _, err := w.Blob([]byte("ours")); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if out.crc, err = w.Close(map[string]string{"k": "v"}); err != nil {
		t.Fatal(err)
	}
	out.file = buf.Bytes()
	if int64(len(out.file)) != w.Written() {
		t.Fatalf("%d bytes, %d were counted", len(out.file), w.Written())
	}
	return out
}

func sameRows(t testing.TB, what string, got, want *store.Vec, lo, hi int) {
	t.Helper()
	for i := lo; i < hi; i++ {
		g, w := got.Value(i-lo), want.Value(i)
		if g != w {
			t.Fatalf("%s: row %d is %v, want %v", what, i, g, w)
		}
	}
}

func TestReadsWhatWasWritten(t *testing.T) {
	_, dec := codecs(t)
	for _, codec := range []Codec{Fast, Dense} {
		rng := rand.New(rand.NewPCG(1, uint64(codec)))
		out := write(t, rng, codec, 1, 7000, 40_000)
		f, err := Open(bytes.NewReader(out.file), int64(len(out.file)), out.crc, true, dec)
		if err != nil {
			t.Fatal(err)
		}
		if f.Metadata["k"] != "v" || len(f.Groups) != 3 {
			t.Fatalf("metadata %v, %d row groups", f.Metadata, len(f.Groups))
		}
		for g, vecs := range out.groups {
			for i, want := range vecs {
				if err := f.Verify(g, i); err != nil {
					t.Fatal(err)
				}
				dict, err := f.Dictionary(g, i, nil)
				if err != nil {
					t.Fatal(err)
				}
				mem := &Memory{}
				for range 8 {
					mem.Reset()
					lo := rng.IntN(out.rows[g])
					hi := lo + 1 + rng.IntN(out.rows[g]-lo)
					what := fmt.Sprint(testColumns[i].Name, " of group ", g)
					v, err := f.Read(g, i, lo, hi, dict, mem)
					if err != nil {
						t.Fatal(what, err)
					}
					sameRows(t, what, v, want, lo, hi)
					pickRows(t, what, f, g, i, lo, hi, dict, v, rng)
					if dict == nil {
						continue
					}
					if v, err = f.Read(g, i, lo, hi, nil, mem); err != nil {
						t.Fatal(what, err)
					}
					if v, err = f.Texts(g, i, v, func(k int) ([]string, error) { return f.FrameOf(g, i, k, mem) }); err != nil {
						t.Fatal(what, err)
					}
					sameRows(t, what+" by frames", v, want, lo, hi)
				}
				checkBounds(t, &f.Groups[g].Chunks[i], testColumns[i], want)
			}
		}
	}
}

func checkBounds(t *testing.T, c *Chunk, col Column, v *store.Vec) {
	t.Helper()
	for p := range c.Pages {
		pg := &c.Pages[p]
		if pg.First/WindowRows != (pg.First+pg.Rows-1)/WindowRows {
			t.Fatalf("%s: a page of rows %d+%d crosses a window", col.Name, pg.First, pg.Rows)
		}
		for i := int(pg.First); i < int(pg.First+pg.Rows); i++ {
			if v.Null(i) {
				continue
			}
			if col.Delta && (v.Ints[i] < pg.MinInt || v.Ints[i] > pg.MaxInt) || col.Bounds && (v.Str(i) < pg.MinStr || v.Str(i) > pg.MaxStr) {
				t.Fatalf("%s: row %d is outside of its page's bounds", col.Name, i)
			}
			if c.Bounded && col.Kind == store.KindInt && (v.Ints[i] < c.MinInt || v.Ints[i] > c.MaxInt) {
				t.Fatalf("%s: row %d is outside of its chunk's bounds", col.Name, i)
			}
			if c.Bounded && col.Kind == store.KindFloat && (v.Floats[i] < math.Float64frombits(uint64(c.MinInt)) || v.Floats[i] > math.Float64frombits(uint64(c.MaxInt))) {
				t.Fatalf("%s: row %d is outside of its chunk's bounds", col.Name, i)
			}
		}
	}
}

// TestAnotherReaderSeesTheSame reads the file with a Parquet library that knows
// nothing of the page directory.
func TestAnotherReaderSeesTheSame(t *testing.T) {
	for _, codec := range []Codec{Fast, Dense} {
		out := write(t, rand.New(rand.NewPCG(2, uint64(codec))), codec, 300, 20_000)
		pf, err := parquet.OpenFile(bytes.NewReader(out.file), int64(len(out.file)))
		if err != nil {
			t.Fatal(err)
		}
		for g, rg := range pf.RowGroups() {
			for i, chunk := range rg.ColumnChunks() {
				// The library orders columns by name only in schemas of its own.
				name := pf.Schema().Columns()[i][0]
				at := slices.IndexFunc(testColumns, func(c Column) bool { return c.Name == name })
				values := make([]parquet.Value, 0, out.rows[g])
				pages := chunk.Pages()
				for {
					p, err := pages.ReadPage()
					if err != nil {
						break
					}
					buf := make([]parquet.Value, p.NumValues())
					n, _ := p.Values().ReadValues(buf)
					for _, v := range buf[:n] {
						values = append(values, v.Clone())
					}
				}
				if err := pages.Close(); err != nil {
					t.Fatal(err)
				}
				want := out.groups[g][at]
				if len(values) != out.rows[g] {
					t.Fatalf("%s: %d of %d values", name, len(values), out.rows[g])
				}
				for r, v := range values {
					if !sameValue(v, want.Value(r)) {
						t.Fatalf("%s row %d: %v, want %v", name, r, v, want.Value(r))
					}
				}
			}
		}
	}
}

func sameValue(v parquet.Value, want store.Value) bool {
	if v.IsNull() || want.Kind == store.KindNull {
		return v.IsNull() && want.Kind == store.KindNull
	}
	switch want.Kind {
	case store.KindInt:
		return v.Int64() == want.Int
	case store.KindBool:
		return v.Boolean() == (want.Int != 0)
	case store.KindFloat:
		return v.Double() == want.Flt
	}
	return string(v.ByteArray()) == want.Str
}

// TestEveryBitIsGuarded flips bits of every part of a file: either reading fails
// with ErrCorrupt, or what is read is right.
func TestEveryBitIsGuarded(t *testing.T) {
	_, dec := codecs(t)
	out := write(t, rand.New(rand.NewPCG(3, 3)), Dense, 500)
	for pos := 0; pos < len(out.file); pos += 1 + len(out.file)/3000 {
		broken := bytes.Clone(out.file)
		broken[pos] ^= 1 << (pos % 8)
		readAll(t, broken, out, dec, true)
	}
}

func readAll(t testing.TB, file []byte, out written, dec *zstd.Decoder, checked bool) {
	t.Helper()
	f, err := Open(bytes.NewReader(file), int64(len(file)), out.crc, checked, dec)
	if err != nil {
		if !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
		return
	}
	for g, vecs := range out.groups {
		for i, want := range vecs {
			dict, err := f.Dictionary(g, i, nil)
			var v *store.Vec
			if err == nil {
				v, err = f.Read(g, i, 0, out.rows[g], dict, nil)
			}
			if err != nil {
				if !errors.Is(err, ErrCorrupt) {
					t.Fatal(err)
				}
				continue
			}
			sameRows(t, "after a flipped bit", v, want, 0, out.rows[g])
		}
	}
}

// FuzzOpen accepts any footer, as a rebuild does: nothing may panic or allocate
// without bounds.
func FuzzOpen(f *testing.F) {
	_, dec := codecs(f)
	out := write(f, rand.New(rand.NewPCG(4, 4)), Fast, 20)
	f.Add(out.file)
	f.Fuzz(func(t *testing.T, file []byte) {
		pf, err := Open(bytes.NewReader(file), int64(len(file)), 0, false, dec)
		if err != nil {
			return
		}
		for g := range pf.Groups {
			for i := range pf.Columns {
				dict, err := pf.Dictionary(g, i, nil)
				if err != nil || pf.Groups[g].Rows > 1<<20 {
					continue
				}
				_, _ = pf.Read(g, i, 0, pf.Groups[g].Rows, dict, nil)
			}
		}
	})
}

// pickRows compares single rows with those of a vector of the rows [lo, hi).
func pickRows(t *testing.T, what string, f *File, group, column, lo, hi int, dict []string, all *store.Vec, rng *rand.Rand) {
	t.Helper()
	c := &f.Groups[group].Chunks[column]
	from, to := c.PagesOf(lo, hi)
	vecs := &Vectors{}
	for i := from; i < to; i++ {
		data, err := f.Page(group, column, i, nil)
		if err != nil {
			t.Fatal(what, err)
		}
		var rows []uint32
		for r := max(lo, int(c.Pages[i].First)); r < min(hi, int(c.Pages[i].First+c.Pages[i].Rows)); r += 1 + rng.IntN(500) {
			rows = append(rows, uint32(r))
		}
		got, err := f.Pick(group, column, i, data, rows, dict, vecs)
		if err != nil {
			t.Fatal(what, err)
		}
		for k, r := range rows {
			if a, b := got.Value(k), all.Value(int(r)-lo); a != b && (a.Flt == a.Flt || b.Flt == b.Flt) {
				t.Fatalf("%s: picked row %d is %v, want %v", what, r, a, b)
			}
		}
		vecs.Reset()
	}
}
