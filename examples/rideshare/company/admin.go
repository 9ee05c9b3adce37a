package company

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// defaultTraces is how many traces /ledger lists unless ?traces=N says otherwise.
const defaultTraces = 200

// drainTimeout bounds POST /flush.
const drainTimeout = 60 * time.Second

// deployment is the body of POST /deploy.
type deployment struct {
	Service string `json:"service"`
	Version string `json:"version"`
	Bad     bool   `json:"bad"`
}

// handler routes by the name in the Host header or by /svc/<name>/…; all else is administration.
func (c *Company) handler() http.Handler {
	admin := http.NewServeMux()
	admin.Handle("/faults", c.faults)
	admin.HandleFunc("GET /ledger", func(w http.ResponseWriter, r *http.Request) {
		n, err := tracesWanted(r)
		if err != nil {
			reply(w, http.StatusBadRequest, map[string]string{"error": "traces must be a number of traces"})
			return
		}
		reply(w, http.StatusOK, c.ledger.Snapshot(n))
	})
	admin.HandleFunc("POST /flush", func(w http.ResponseWriter, r *http.Request) {
		n, err := tracesWanted(r)
		if err != nil {
			reply(w, http.StatusBadRequest, map[string]string{"error": "traces must be a number of traces"})
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), drainTimeout)
		defer cancel()
		snapshot, err := c.Flush(ctx, n, r.URL.Query().Get("hold") == "true")
		if err != nil {
			reply(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
			return
		}
		reply(w, http.StatusOK, snapshot)
	})
	admin.HandleFunc("POST /resume", func(w http.ResponseWriter, _ *http.Request) {
		c.Resume()
		reply(w, http.StatusOK, map[string]bool{"resumed": true})
	})
	admin.HandleFunc("POST /deploy", func(w http.ResponseWriter, r *http.Request) {
		var d deployment
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBodyBytes))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&d); err != nil {
			reply(w, http.StatusBadRequest, map[string]string{"error": "the body must be {service, version, bad} as JSON: " + err.Error()})
			return
		}
		if err := c.Deploy(d.Service, d.Version, d.Bad); err != nil {
			reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		reply(w, http.StatusOK, d)
	})
	admin.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if s := c.services[host]; s != nil {
			s.mux.ServeHTTP(w, r)
			return
		}
		rest, ok := strings.CutPrefix(r.URL.Path, "/svc/")
		name, _, _ := strings.Cut(rest, "/")
		s := c.services[name]
		switch {
		case ok && s != nil && c.faults.Crashed(name):
			refuse(w)
		case ok && s != nil:
			http.StripPrefix("/svc/"+name, s.mux).ServeHTTP(w, r)
		default:
			admin.ServeHTTP(w, r)
		}
	})
}

// refuse resets the connection of a client that comes to a crashed service from outside: the listener is shared, so
// this is the nearest to a refused connection that such a client can see.
func refuse(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // The server's documented way to drop a connection without an answer.
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

func tracesWanted(r *http.Request) (int, error) {
	q := r.URL.Query().Get("traces")
	if q == "" {
		return defaultTraces, nil
	}
	n, err := strconv.ParseUint(q, 10, 31)
	return int(n), err
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that went away before its answer is not our error.
	_ = json.NewEncoder(w).Encode(v)
}
