package columnar

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hinomi/internal/store"
	"hinomi/internal/store/columnar/parquetio"
)

func TestBitCodes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var w bitWriter
		w.reset()
		var want []uint64
		for range 50 {
			g, r := rng.Uint64N(1<<rng.Uint64N(31)), rng.Uint64N(1<<16)
			set := rng.Uint64() & rng.Uint64() & rng.Uint64() & (rng.Uint64() | 1)
			for range rng.IntN(4) {
				set &= rng.Uint64()
			}
			if set == 0 {
				set = 1 << rng.IntN(64)
			}
			w.gamma(g)
			w.rice(r, riceBits)
			w.granules(set, maxGranules)
			want = append(want, g, r, set)
		}
		r := bitReader{data: w.bytes()}
		for i := 0; i < len(want); i += 3 {
			if g := r.gamma(); g != want[i] {
				t.Fatalf("γ %d, want %d", g, want[i])
			}
			if x := r.rice(riceBits); x != want[i+1] {
				t.Fatalf("Rice %d, want %d", x, want[i+1])
			}
			if s := r.granules(); s != want[i+2] {
				t.Fatalf("granules %x, want %x", s, want[i+2])
			}
		}
		if r.bad {
			t.Fatal("read beyond the end")
		}
		if r.get(32); !r.bad {
			t.Fatal("reading beyond the end is not noticed")
		}
	}
}

// randomLine has words of all lengths, ids, other scripts and long encodings.
func randomLine(rng *rand.Rand) string {
	var b strings.Builder
	for range 1 + rng.IntN(12) {
		switch rng.IntN(9) {
		case 0:
			fmt.Fprintf(&b, "%032x", []uint64{rng.Uint64(), rng.Uint64()})
		case 1:
			fmt.Fprintf(&b, "id=%016x", rng.Uint64())
		case 2:
			fmt.Fprintf(&b, "%08x-%04x-%04x-%04x-%012x", rng.Uint32(), rng.IntN(1<<16), rng.IntN(1<<16), rng.IntN(1<<16), rng.Uint64()>>16)
		case 3:
			b.WriteString("決済サービスでタイムアウトが発生しました")
		case 4:
			b.WriteString(strings.Repeat("Ab9", 1+rng.IntN(20)))
		case 5:
			fmt.Fprintf(&b, "%d.%03d", rng.IntN(60), rng.IntN(1000))
		case 6:
			b.WriteString([]string{"ERROR", "TimeoutException", "GET /api/v1", "ok"}[rng.IntN(4)])
		case 7:
			if rng.IntN(30) == 0 {
				b.WriteString(strings.Repeat("x", maxWord+1) + fmt.Sprintf("%x", rng.Uint64()))
			}
		default:
			fmt.Fprintf(&b, "w%d", rng.IntN(5000))
		}
		b.WriteString([]string{" ", ", ", "=", "[", ":"}[rng.IntN(5)])
	}
	return b.String()
}

// memoryIndex encodes an index and opens it.
func memoryIndex(t *testing.T, v *store.Vec, rows int) *wordIndex {
	t.Helper()
	x := newWordIndexBuilder(rows)
	x.add("body", v, rows)
	data, bucketBits := x.encode()
	var buf bytes.Buffer
	p, err := newPacker()
	if err != nil {
		t.Fatal(err)
	}
	w := parquetio.NewWriter(&buf, "t", []parquetio.Column{{Name: "n", Kind: store.KindInt}}, parquetio.Fast, p.zstd)
	if err := w.Column(&store.Vec{Kind: store.KindInt, Ints: []int64{1}}, 1); err != nil {
		t.Fatal(err)
	}
	offset, err := w.Blob(data)
	if err != nil {
		t.Fatal(err)
	}
	crc, err := w.Close(nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parquetio.Open(bytes.NewReader(buf.Bytes()), int64(buf.Len()), crc, true, p.unzstd)
	if err != nil {
		t.Fatal(err)
	}
	out := &wordIndex{file: f, meta: wordIndexMeta{offset, int64(len(data)), bucketBits, []string{"body"}}, granules: len(x.granules)}
	if err := out.verify(); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestNoLineIsLost takes parts of lines at random, in any case: the granule of a
// line that has the part is always found.
func TestNoLineIsLost(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	const rows = 5*granuleRows + 17
	lines := make([]string, rows)
	for i := range lines {
		lines[i] = randomLine(rng)
	}
	coded := &store.Vec{Kind: store.KindString}
	d := newDict()
	for _, l := range lines {
		coded.Codes = append(coded.Codes, d.code(l))
	}
	coded.Dict = d.list
	plain := memoryIndex(t, &store.Vec{Kind: store.KindString, Strs: lines}, rows)
	byCode := memoryIndex(t, coded, rows)
	narrowed := 0
	for range 20_000 {
		row := rng.IntN(rows)
		l := lines[row]
		from := rng.IntN(len(l))
		part := l[from : from+1+rng.IntN(len(l)-from)]
		if len(part) > 200 {
			part = part[:1+rng.IntN(200)]
		}
		if rng.IntN(4) == 0 {
			part = strings.ToUpper(part)
			if !strings.Contains(strings.ToUpper(l), part) {
				continue // Upper case of another script can be longer.
			}
		}
		for _, x := range []*wordIndex{plain, byCode} {
			found := lookUp(t, x, part)
			if found>>(row/granuleRows)&1 == 0 {
				t.Fatalf("%q of line %q is not found", part, l)
			}
			if found != allGranules(x.granules) {
				narrowed++
			}
		}
	}
	if narrowed < 5000 {
		t.Errorf("only %d of 40,000 searches were narrowed", narrowed)
	}
}

func lookUp(t *testing.T, x *wordIndex, part string) uint64 {
	t.Helper()
	pr := &pruner{seg: &segment{groups: []groupInfo{{words: x}}}, all: allGranules(x.granules)}
	found, err := pr.clauses(pr.all, clausesOf(part))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestUnknownWordsHaveNoHits is about why the index is an inverted one.
func TestUnknownWordsHaveNoHits(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	const rows = 20 * granuleRows
	lines := make([]string, rows)
	for i := range lines {
		lines[i] = fmt.Sprintf("request %016x of trace %016x%016x done", rng.Uint64(), rng.Uint64N(50_000), rng.Uint64N(50_000))
	}
	x := memoryIndex(t, &store.Vec{Kind: store.KindString, Strs: lines}, rows)
	hits, asked := 0, 2000
	for range asked {
		if lookUp(t, x, fmt.Sprintf("%016x", rng.Uint64())) != 0 {
			hits++
		}
	}
	// Eight fingerprints of 16 bits in buckets of 64 to 128 words.
	if hits*50 > asked {
		t.Errorf("%d of %d unknown words have hits", hits, asked)
	}
	if perRow := float64(x.meta.Bytes) / rows; perRow > 20 {
		t.Errorf("the index takes %.1f bytes a row", perRow)
	}
}

func TestRequiredLiterals(t *testing.T) {
	for _, c := range []struct {
		re   string
		want []string
	}{
		{`order.*id`, []string{"order", "id"}},
		{`(?i)order`, nil},
		{`a|b`, nil},
		{`(abc)+x?`, []string{"abc"}},
		{`(abc)*y{2,}`, []string{"y", "y"}},
		{`^exact$`, []string{"exact"}},
		{`[0-9]+`, nil},
	} {
		if got := requiredLiterals(regexp.MustCompile(c.re)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.re, got, c.want)
		}
	}
}
