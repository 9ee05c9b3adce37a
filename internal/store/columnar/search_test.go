package columnar

import (
	"strings"
	"testing"
)

// FuzzFinder compares with the standard library.
func FuzzFinder(f *testing.F) {
	f.Add("a line with route=/api", "oute")
	f.Add("", "")
	f.Add("ororororororororororororoute", "oute")
	f.Add("日本語", "本")
	f.Add("aaaaaaaaaaaaaaaab", "ab")
	f.Fuzz(func(t *testing.T, s, sub string) {
		x := newFinder(sub)
		if got, want := x.in(s), strings.Contains(s, sub); got != want {
			t.Fatalf("%q in %q: %v", sub, s, got)
		}
	})
}

func BenchmarkFinder(b *testing.B) {
	line := "2026-11-21 12:00:00.123 INFO [http-nio-8080-exec-7] c.e.rides.TripController : trip accepted, fare=1200 yen, rider=48213"
	for _, sub := range []string{"oute", "trip", "Exception", "rider=48213"} {
		x := newFinder(sub)
		b.Run("rarest/"+sub, func(b *testing.B) {
			for b.Loop() {
				x.in(line)
			}
		})
		b.Run("strings/"+sub, func(b *testing.B) {
			for b.Loop() {
				_ = strings.Contains(line, sub)
			}
		})
	}
}
