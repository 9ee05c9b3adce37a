package loki

import (
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
)

// minGzipBytes is the size from which an answer is worth compressing: below it fits
// into one packet anyway.
const minGzipBytes = 1400

// gzipWriter compresses an answer that turns out to be large. Close must be called.
type gzipWriter struct {
	http.ResponseWriter
	code int
	buf  []byte
	zw   *gzip.Writer
}

// acceptsGzip tells whether the client takes gzip.
func acceptsGzip(r *http.Request) bool {
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, params, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			if f, err := strconv.ParseFloat(q, 64); !ok || err != nil || f > 0 {
				return true
			}
		}
	}
	return false
}

func (g *gzipWriter) WriteHeader(code int) { g.code = code }

func (g *gzipWriter) Write(b []byte) (int, error) {
	if g.zw == nil && len(g.buf)+len(b) < minGzipBytes {
		g.buf = append(g.buf, b...)
		return len(b), nil
	}
	if g.zw == nil {
		g.Header().Set("Content-Encoding", "gzip")
		g.Header().Del("Content-Length")
		g.begin()
		g.zw = gzip.NewWriter(g.ResponseWriter)
		if _, err := g.zw.Write(g.buf); err != nil {
			return 0, err
		}
	}
	return g.zw.Write(b)
}

func (g *gzipWriter) begin() {
	g.Header().Add("Vary", "Accept-Encoding")
	if g.code != 0 {
		g.ResponseWriter.WriteHeader(g.code)
	}
}

// Close sends what is left.
func (g *gzipWriter) Close() error {
	if g.zw != nil {
		return g.zw.Close()
	}
	g.begin()
	if len(g.buf) == 0 {
		return nil
	}
	_, err := g.ResponseWriter.Write(g.buf)
	return err
}
