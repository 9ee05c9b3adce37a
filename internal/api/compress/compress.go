// Package compress gzips answers for clients that accept it.
package compress

import (
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// minBytes is the size below which gzip costs more than it saves: an answer that
// fits a network packet anyway.
const minBytes = 1400

// New wraps a handler.
func New(next http.Handler) http.Handler {
	pool := &sync.Pool{New: func() any { return gzip.NewWriter(nil) }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !accepts(r.Header.Values("Accept-Encoding")) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Add("Vary", "Accept-Encoding")
		cw := &writer{ResponseWriter: w, pool: pool, code: http.StatusOK}
		defer cw.close()
		next.ServeHTTP(cw, r)
	})
}

// accepts tells whether gzip is named without the weight 0.
func accepts(list []string) bool {
	for part := range strings.SplitSeq(strings.Join(list, ","), ",") {
		name, params, _ := strings.Cut(part, ";")
		if strings.TrimSpace(name) != "gzip" {
			continue
		}
		q := strings.TrimLeft(strings.ReplaceAll(params, " ", ""), "q=0.")
		return params == "" || q != "" || !strings.Contains(params, "q=0")
	}
	return false
}

// writer holds an answer back until it is large enough to be worth it.
type writer struct {
	http.ResponseWriter
	pool    *sync.Pool
	code    int
	held    []byte
	decided bool
	zip     *gzip.Writer
}

func (w *writer) WriteHeader(code int) {
	if !w.decided {
		w.code = code
	}
}

func (w *writer) Write(b []byte) (int, error) {
	if !w.decided {
		w.held = append(w.held, b...)
		if len(w.held) < minBytes {
			return len(b), nil
		}
		return len(b), w.decide(w.Header().Get("Content-Encoding") == "")
	}
	if w.zip != nil {
		return w.zip.Write(b)
	}
	return w.ResponseWriter.Write(b)
}

// decide sends what was held back.
func (w *writer) decide(zip bool) error {
	w.decided = true
	if zip {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Del("Content-Length")
		w.zip = w.pool.Get().(*gzip.Writer)
		w.zip.Reset(w.ResponseWriter)
	}
	w.ResponseWriter.WriteHeader(w.code)
	if len(w.held) == 0 {
		return nil
	}
	_, err := w.Write(w.held)
	w.held = nil
	return err
}

// FlushError sends what there is, for http.ResponseController: an answer in parts is
// compressed although its first part is small.
func (w *writer) FlushError() error {
	if !w.decided {
		if err := w.decide(w.Header().Get("Content-Encoding") == ""); err != nil {
			return err
		}
	}
	if w.zip != nil {
		if err := w.zip.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap leads http.ResponseController to deadlines.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) close() {
	if !w.decided {
		_ = w.decide(false) // the client is gone, which nobody can be told
	}
	if w.zip != nil {
		_ = w.zip.Close()
		w.pool.Put(w.zip)
	}
}
