package fault

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// maxBodyBytes bounds the body of a POST; a fault is a few short fields.
const maxBodyBytes = 4096

// ServeHTTP serves the fault API: GET lists, POST adds one, DELETE removes those that match the query parameters
// id, service and kind (none given: all).
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch req.Method {
	case http.MethodGet:
		answer(w, http.StatusOK, r.List())
	case http.MethodPost:
		dec := json.NewDecoder(io.LimitReader(req.Body, maxBodyBytes))
		dec.DisallowUnknownFields()
		var f Fault
		if err := dec.Decode(&f); err != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": "the body must be one fault as JSON: " + err.Error()})
			return
		}
		f, err := r.Add(f)
		if errors.Is(err, ErrInvalid) {
			answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		answer(w, http.StatusCreated, f)
	case http.MethodDelete:
		q := req.URL.Query()
		matches := func(name, value string) bool { return q.Get(name) == "" || q.Get(name) == value }
		n := r.Remove(func(f Fault) bool {
			return matches("id", f.ID) && matches("service", f.Service) && matches("kind", f.Kind)
		})
		answer(w, http.StatusOK, map[string]int{"removed": n})
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		answer(w, http.StatusMethodNotAllowed, map[string]string{"error": "use GET, POST or DELETE"})
	}
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that went away before its answer is not our error.
	_ = json.NewEncoder(w).Encode(v)
}
