package otlpwire

import (
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seen is a visitor that notes what it is shown, until stop.
type seen struct {
	got  []string
	stop string
}

func (s *seen) note(kind string, raw []byte) bool {
	s.got = append(s.got, kind+string(raw))
	return s.got[len(s.got)-1] != s.stop
}
func (s *seen) Resource(raw []byte) bool { return s.note("resource ", raw) }
func (s *seen) Scope(raw []byte) bool    { return s.note("scope ", raw) }
func (s *seen) Record(raw []byte) bool   { return s.note("record ", raw) }

// message makes a message of fields: number, body, number, body.
func message(fields ...any) (out []byte) {
	for i := 0; i < len(fields); i += 2 {
		body, ok := fields[i+1].([]byte)
		if !ok {
			body = []byte(fields[i+1].(string))
		}
		out = AppendBytes(out, uint32(fields[i].(int)), body)
	}
	return out
}

func TestWalk(t *testing.T) {
	// Heads may come behind their members.
	request := message(
		1, message(2, message(2, "a", 2, "b", 1, "lib"), 3, "url", 1, "shop", 2, message(2, "c")),
		9, "unknown",
		1, message(1, "bank"),
	)
	var s seen
	want := []string{"resource shop", "scope lib", "record a", "record b", "scope ", "record c", "resource bank"}
	if !Walk(request, &s) || !slices.Equal(s.got, want) {
		t.Errorf("seen %q, want %q", s.got, want)
	}
	for i, stop := range want {
		s = seen{stop: stop}
		if Walk(request, &s) || !slices.Equal(s.got, want[:i+1]) {
			t.Errorf("after %q, seen %q", stop, s.got)
		}
	}
	for name, bad := range map[string][]byte{
		"two resources":  message(1, message(1, "a", 1, "b")),
		"two scopes":     message(1, message(2, message(1, "a", 1, "b"))),
		"as before 0.15": message(1, message(1, "shop", 1000, message(2, "a"))),
		"cut":            request[:len(request)-1],
		"a varint":       {1<<3 | Varint, 1},
		"a varint in":    message(1, []byte{2<<3 | Varint, 1}),
	} {
		if s = (seen{}); Walk(bad, &s) {
			t.Errorf("%s: taken, seen %q", name, s.got)
		}
	}
}

func TestID(t *testing.T) {
	for _, c := range []struct {
		in, want string
		ok       bool
	}{{"", "", true}, {"\x00\x00", "", true}, {"\x00\x01", "\x00\x01", true}, {"\x01", "", false}, {"\x00\x00\x00", "", false}} {
		if id, ok := ID(&Field{Bytes: []byte(c.in)}, 2); id != c.want || ok != c.ok {
			t.Errorf("%q: %q, %v", c.in, id, ok)
		}
	}
}
