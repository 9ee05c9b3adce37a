// Package statestore keeps Hinomi's own state (alerts, silences, the
// notification log, the outbox) in SQLite. Every change is on disk when its call
// returns: WAL mode with synchronous=FULL.
package statestore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"hinomi/internal/model"
)

//go:embed migrations/*.sql
var migrations embed.FS

// fileName is the database inside of Options.Dir.
const fileName = "state.db"

// ErrNewerSchema is when a later Hinomi has written the database.
var ErrNewerSchema = errors.New("the state database was written by a newer Hinomi: run that version, or restore a backup")

// Options configures Open. Dir is required.
type Options struct {
	Dir    string
	Logger *slog.Logger
}

// Store is safe for concurrent use.
type Store struct {
	db    *sql.DB
	close sync.Once
	err   error
}

// Open opens or creates the database and brings its schema up to date.
func Open(ctx context.Context, opts Options) (_ *Store, err error) {
	if opts.Dir == "" {
		return nil, errors.New("the state store needs a directory: set Options.Dir")
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(opts.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("create the state directory: %w", err)
	}
	path := filepath.Join(opts.Dir, fileName)
	dsn := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"},
		"_txlock": {"immediate"},
	}.Encode()}).String()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	// One connection: SQLite has one writer anyway, and nobody sees SQLITE_BUSY.
	db.SetMaxOpenConns(1)
	if err := migrate(ctx, db, opts.Logger); err != nil {
		return nil, fmt.Errorf("state database %s: %w", path, err)
	}
	return &Store{db: db}, nil
}

func migrate(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithSlog(log), goose.WithVerbose(false))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the schema version: %w", err)
	}
	sources := p.ListSources()
	if newest := sources[len(sources)-1].Version; have > newest {
		return fmt.Errorf("schema %d, this version knows up to %d: %w", have, newest, ErrNewerSchema)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	return nil
}

// Close is idempotent.
func (s *Store) Close() error {
	s.close.Do(func() { s.err = s.db.Close() })
	return s.err
}

// inTx runs f whole or not at all.
func (s *Store) inTx(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// within is the SQL condition and its arguments for the rows of a scope.
func within(scope model.Scope) (string, []any) {
	if scope.All() {
		return "1", nil
	}
	products := scope.Products()
	if len(products) == 0 {
		return "0", nil
	}
	cond, args := "product IN (?", []any{products[0]}
	for _, p := range products[1:] {
		cond += ",?"
		args = append(args, p)
	}
	return cond + ")", args
}
