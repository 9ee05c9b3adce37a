package pattern

import (
	"slices"
	"strings"
)

const (
	// manyValues is how many different words stand in a place before they count
	// as values: states and verbs of one statement are fewer.
	manyValues = 6
	// manyNames is the same behind a word such as "for" or "from".
	manyNames = 4
	// maxRounds bounds how many places of one statement can turn out to be values.
	maxRounds = 4
	// maxWords bounds the words of a skeleton that are compared.
	maxWords = 64
)

// Group maps every skeleton to its template. Skeletons that differ in one word are
// joined when that word has many values while everything else is equal, again
// and again, so that several places can turn out to be values.
func Group(skeletons []string) map[string]string {
	out := make(map[string]string, len(skeletons))
	current := map[string][]string{} // template -> skeletons
	for _, s := range skeletons {
		if _, ok := out[s]; !ok {
			out[s] = s
			current[s] = []string{s}
		}
	}
	for range maxRounds {
		joined := false
		found := places(current)
		// Where a word could be joined in two ways, the place with more values wins.
		generals := sortedKeys(found)
		slices.SortStableFunc(generals, func(a, b string) int { return len(found[b]) - len(found[a]) })
		for _, general := range generals {
			var all []string
			for _, m := range found[general] {
				all = append(all, current[m]...)
				delete(current, m)
			}
			if len(all) == 0 {
				continue // Joined by another place in this round.
			}
			joined = true
			current[general] = append(current[general], all...)
			for _, s := range all {
				out[s] = general
			}
		}
		if !joined {
			break
		}
	}
	return out
}

// places finds the templates with a word that has many values.
func places(current map[string][]string) map[string][]string {
	type place struct {
		members []string
		need    int
	}
	found := map[string]*place{}
	for _, t := range sortedKeys(current) {
		words := strings.Split(t, " ")
		if len(words) > maxWords {
			continue
		}
		fixed := 0
		for _, w := range words {
			if isConstant(w) {
				fixed++
			}
		}
		for i, w := range words {
			if !isConstant(w) {
				continue
			}
			if fixed < 2 {
				break // Nothing would be left to tell the statement by.
			}
			general := generalize(words, i)
			p := found[general]
			if p == nil {
				p = &place{need: manyValues}
				if i > 0 && isPreposition(strings.ToLower(words[i-1])) {
					p.need = manyNames
				}
				if fixed == 2 {
					p.need *= 2
				}
				found[general] = p
			}
			p.members = append(p.members, t)
		}
	}
	out := map[string][]string{}
	for general, p := range found {
		if len(p.members) >= p.need {
			out[general] = p.members
		}
	}
	return out
}

// isConstant tells whether a word has something that is not masked.
func isConstant(w string) bool {
	if strings.Contains(w, Any) {
		return false
	}
	for i := range len(w) {
		if isLetter(w[i]) || w[i] >= 0x80 {
			return true
		}
	}
	return false
}

// generalize replaces word i but keeps the punctuation around it.
func generalize(words []string, i int) string {
	w := words[i]
	from, to := 0, len(w)
	for from < to && !isWord(w[from]) {
		from++
	}
	for to > from && !isWord(w[to-1]) {
		to--
	}
	list := slices.Clone(words)
	list[i] = w[:from] + Any + w[to:]
	return strings.Join(list, " ")
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
