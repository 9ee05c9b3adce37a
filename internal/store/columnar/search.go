package columnar

import "strings"

// byFrequency lists bytes of log lines, commonest first; others are rare.
const byFrequency = " etaoinrs0cld1.-:2pumf/\"3_ghb4,5=876w9yv][kETSIACORNDLxPM{}jFUqBGzHK()VWXYJZQ"

// finder looks for one text in many. It jumps to where the rarest byte of the
// text is, which says more than its first.
type finder struct {
	sub  string
	rare byte
	at   int // where sub has it
}

func newFinder(sub string) finder {
	f := finder{sub: sub}
	best := len(byFrequency) + 1
	for i := range len(sub) {
		rank := strings.IndexByte(byFrequency, sub[i])
		if rank < 0 {
			rank = len(byFrequency)
		}
		if i == 0 || rank > best {
			f.rare, f.at, best = sub[i], i, rank
		}
	}
	return f
}

// missesAllowed is after how many places where only the byte fits the finder
// leaves the rest of a text to the standard library.
const missesAllowed = 32

// in tells whether s contains the text.
func (f *finder) in(s string) bool {
	n := len(f.sub)
	if n == 0 {
		return true
	}
	for misses := 0; len(s) >= n; misses++ {
		if misses == missesAllowed {
			return strings.Contains(s, f.sub)
		}
		// The byte may be where it leaves room for what is before and behind.
		i := strings.IndexByte(s[f.at:len(s)-n+f.at+1], f.rare)
		if i < 0 {
			return false
		}
		if s[i:i+n] == f.sub {
			return true
		}
		s = s[i+1:]
	}
	return false
}
