// Command imagebuild carries out a Dockerfile without Docker: it makes the
// build context as .dockerignore leaves it, runs the commands of each stage in
// a directory of their own, and leaves the last stage's files in another.
//
//	imagebuild -context DIR -out DIR
//
// It shows that the steps work together: that every file they need is in the
// context, that the build command builds, that what is copied is there. It
// cannot show what depends on a base image: there the commands and files of
// this machine stand in. Instructions that it does not know are an error, so
// that it never says more than it has tried.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("imagebuild: ")
	context := flag.String("context", ".", "directory with Dockerfile and .dockerignore")
	out := flag.String("out", "", "empty directory for the image's files")
	flag.Parse()
	if err := run(*context, *out); err != nil {
		log.Fatal(err)
	}
}

func run(dir, out string) error {
	work, err := os.MkdirTemp("", "imagebuild-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	b := &builder{context: filepath.Join(work, "context"), stages: map[string]string{}}
	if err := copyContext(dir, b.context); err != nil {
		return fmt.Errorf("context: %w", err)
	}
	all, err := stages(filepath.Join(dir, "Dockerfile"))
	if err != nil {
		return err
	}
	for i, s := range all {
		root := filepath.Join(work, fmt.Sprint("stage", i))
		if i == len(all)-1 {
			root = out
		}
		if err := b.stage(s, root); err != nil {
			return fmt.Errorf("stage %d: %w", i+1, err)
		}
	}
	return nil
}

func stages(dockerfile string) ([]instructions.Stage, error) {
	f, err := os.Open(dockerfile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	parsed, err := parser.Parse(f)
	if err != nil {
		return nil, err
	}
	all, _, err := instructions.Parse(parsed.AST, nil)
	return all, err
}

// copyContext copies what .dockerignore does not exclude.
func copyContext(dir, to string) error {
	f, err := os.Open(filepath.Join(dir, ".dockerignore"))
	if err != nil {
		return err
	}
	defer f.Close()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		return err
	}
	ignore, err := patternmatcher.New(patterns)
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			// Patterns with ! reach into excluded directories, but none of
			// ours into these, which are large.
			if d.Name() == ".git" || d.Name() == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		ignored, err := ignore.MatchesOrParentMatches(name)
		if err != nil || ignored {
			return err
		}
		return copyFile(path, filepath.Join(to, name))
	})
}

func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, b, info.Mode().Perm())
}

type builder struct {
	context string
	stages  map[string]string // root directory by name

	// Of the stage being built:
	root    string
	workdir string // as the Dockerfile says it
	env     []string
}

func (b *builder) stage(s instructions.Stage, root string) error {
	b.root, b.workdir, b.env = root, "/", nil
	if s.Name != "" {
		b.stages[s.Name] = root
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	for _, c := range s.Commands {
		fmt.Println("==", c)
		if err := b.step(c); err != nil {
			return fmt.Errorf("%s: %w", c.Name(), err)
		}
	}
	return nil
}

func (b *builder) step(c instructions.Command) error {
	switch c := c.(type) {
	case *instructions.WorkdirCommand:
		b.workdir = c.Path
		return os.MkdirAll(b.inside(c.Path), 0o755)
	case *instructions.ArgCommand:
		for _, a := range c.Args {
			if a.Value != nil {
				b.env = append(b.env, a.Key+"="+*a.Value)
			}
		}
		return nil
	case *instructions.CopyCommand:
		return b.copy(c)
	case *instructions.RunCommand:
		return b.run(c)
	case *instructions.LabelCommand, *instructions.UserCommand, *instructions.ExposeCommand,
		*instructions.StopSignalCommand, *instructions.HealthCheckCommand, *instructions.EntrypointCommand:
		return nil // about running, not about building
	default:
		return errors.New("not known to imagebuild")
	}
}

// inside maps a path of the image to this machine.
func (b *builder) inside(path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(b.workdir, path)
	}
	return filepath.Join(b.root, path)
}

func (b *builder) run(c *instructions.RunCommand) error {
	if !c.PrependShell {
		return errors.New("the exec form is not known to imagebuild")
	}
	cmd := exec.Command("/bin/sh", "-c", strings.Join(c.CmdLine, " "))
	cmd.Dir = b.inside(b.workdir)
	cmd.Env = append(os.Environ(), b.env...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

func (b *builder) copy(c *instructions.CopyCommand) error {
	from := b.context
	if c.From != "" {
		root, ok := b.stages[c.From]
		if !ok {
			return fmt.Errorf("no stage %q", c.From)
		}
		from = root
	}
	for _, source := range c.SourcePaths {
		path := filepath.Join(from, source)
		if _, err := os.Lstat(path); err != nil && c.From != "" && strings.HasPrefix(source, "/etc/") {
			path = source // the base image's, for which this machine's stands in
		}
		if err := b.copyTree(path, c.DestPath); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) copyTree(path, dest string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	to := b.inside(dest)
	if info.IsDir() {
		return copyDir(path, to)
	}
	if strings.HasSuffix(dest, "/") {
		to = filepath.Join(to, filepath.Base(path))
	}
	return copyFile(path, to)
}

// copyDir, unlike os.CopyFS, writes over what an earlier COPY left.
func copyDir(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return copyFile(path, filepath.Join(to, name))
	})
}
