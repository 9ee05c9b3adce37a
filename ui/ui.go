// Package ui serves Hinomi's pages out of the binary. The pages are built from
// web/ into dist/ by `make ui`; a binary built without them serves a page that
// says so.
package ui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// dist always holds .gitkeep, so that Go builds without Node.
//
//go:embed all:dist
var built embed.FS

//go:embed placeholder
var placeholder embed.FS

// contentTypes are those of the files of a build; the system's table of types
// may be missing or differ.
var contentTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".json":  "application/json",
	".png":   "image/png",
	".svg":   "image/svg+xml",
	".woff2": "font/woff2",
}

// Handler serves the pages. Paths without an extension are pages of the
// application, which routes them itself.
func Handler() http.Handler {
	if files, err := fs.Sub(built, "dist"); err == nil {
		if h, ok := newHandler(files); ok {
			return h
		}
	}
	files, err := fs.Sub(placeholder, "placeholder")
	if err != nil {
		panic(err) // the embedded folder has this name
	}
	h, _ := newHandler(files)
	return h
}

// Built tells whether the pages are in this binary.
func Built() bool {
	_, err := fs.Stat(built, "dist/index.html")
	return err == nil
}

// file is what is known of a page; its bytes stay in the binary until they are asked for.
type file struct {
	etag, contentType string
	gzipped           bool // there is a compressed one beside it
	immutable         bool
}

type handler struct {
	files fs.FS
	known map[string]file
}

// newHandler looks at files once; ok is false without an index.html.
func newHandler(files fs.FS) (h handler, ok bool) {
	h = handler{files: files, known: map[string]file{}}
	_ = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") || strings.HasSuffix(name, ".gz") {
			return nil
		}
		sum := sha256.New()
		if err := h.copyTo(sum, name); err != nil {
			return nil
		}
		_, missing := fs.Stat(files, name+".gz")
		h.known[name] = file{
			etag: `"` + hex.EncodeToString(sum.Sum(nil)[:12]) + `"`, contentType: contentType(name),
			gzipped: missing == nil,
			// The build puts a hash of the content into the names in assets/.
			immutable: strings.HasPrefix(name, "assets/"),
		}
		return nil
	})
	_, ok = h.known["index.html"]
	return h, ok
}

// copyTo writes a file's bytes to w.
func (h handler) copyTo(w io.Writer, name string) error {
	f, err := h.files.Open(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return errors.Join(err, f.Close())
}

func contentType(name string) string {
	ext := path.Ext(name)
	if t := contentTypes[ext]; t != "" {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "pages are read with GET", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	f, found := h.known[name]
	if !found {
		// Names of services may have dots, so only a missing asset is an error.
		if strings.HasPrefix(name, "assets/") {
			http.NotFound(w, r)
			return
		}
		name, f = "index.html", h.known["index.html"]
	}
	header := w.Header()
	header.Set("Content-Type", f.contentType)
	header.Set("ETag", f.etag)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Add("Vary", "Accept-Encoding")
	if f.immutable {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		header.Set("Cache-Control", "no-cache")
		header.Set("Content-Security-Policy", policy)
		header.Set("Referrer-Policy", "same-origin")
	}
	if r.Header.Get("If-None-Match") == f.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if f.gzipped && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		header.Set("Content-Encoding", "gzip")
		name += ".gz"
	}
	if r.Method == http.MethodGet {
		_ = h.copyTo(w, name) // the client went away: nobody to tell
	}
}

// policy allows what the pages need and nothing from elsewhere. Styles are
// inline because components position things with style attributes.
const policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"object-src 'none'; base-uri 'none'; frame-ancestors 'self'"

func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if coding == "gzip" && strings.ReplaceAll(params, " ", "") != "q=0" {
			return true
		}
	}
	return false
}
