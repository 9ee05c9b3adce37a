package fault

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAddRefusesWithAReason(t *testing.T) {
	r := NewRegistry([]string{"payment"}, func() {})
	for _, c := range []struct {
		f    Fault
		want string
	}{
		{Fault{Service: "paymnt", Kind: Crash}, "unknown service"},
		{Fault{Service: "payment", Kind: "slow"}, "unknown kind"},
		{Fault{Service: "payment", Kind: Latency}, "latency_ms"},
		{Fault{Service: "payment", Kind: Errors, Status: 200}, "status 200"},
		{Fault{Service: "payment", Kind: Errors, Share: 1.5}, "share 1.5"},
		{Fault{Service: "payment", Kind: Errors, Share: math.NaN()}, "share NaN"},
		{Fault{Service: "payment", Kind: DependencyDown, Dependency: "mysql"}, "unknown dependency"},
	} {
		if _, err := r.Add(c.f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.f, err, c.want)
		}
	}
	if len(r.List()) != 0 {
		t.Error("a refused fault is active")
	}
}

func TestHTTPListAddRemove(t *testing.T) {
	changes := 0
	r := NewRegistry([]string{"payment", "maps"}, func() { changes++ })
	do := func(method, target, body string) (int, string) {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	if code, body := do("POST", "/faults", `{"service":"payment","kind":"errors","share":0.5}`); code != http.StatusCreated || !strings.Contains(body, `"status":500`) {
		t.Fatalf("%d %s", code, body)
	}
	do("POST", "/faults", `{"service":"maps","kind":"crash"}`)
	if code, _ := do("POST", "/faults", `{"service":"maps","kind":"crash","sharee":1}`); code != http.StatusBadRequest {
		t.Errorf("an unknown field answered %d", code)
	}
	if code, _ := do("PUT", "/faults", ``); code != http.StatusMethodNotAllowed {
		t.Errorf("PUT answered %d", code)
	}
	var list []Fault
	_, body := do("GET", "/faults", "")
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) != 2 {
		t.Fatalf("%v %s", err, body)
	}
	if !r.Crashed("maps") || r.Crashed("payment") {
		t.Error("the wrong service is crashed")
	}
	if _, body := do("DELETE", "/faults?service=maps", ""); !strings.Contains(body, `"removed":1`) {
		t.Error(body)
	}
	if r.Crashed("maps") || len(r.List()) != 1 || changes != 3 {
		t.Errorf("after removal: %+v, %d changes", r.List(), changes)
	}
}
