package tools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/tools/calls"
)

const (
	pipelineURI   = "huskies://pipeline"
	storyURI      = "huskies://story/"
	storyTemplate = storyURI + "{story_id}"
	markdown      = "text/markdown"

	// maxListedStories bounds the stories that resources/list names beside the
	// pipeline: hosts show them all in one menu.
	maxListedStories = 100
)

// addResources offers the pipeline and its stories as Markdown, for people and
// for hosts that put resources into a model's context.
func (s *service) addResources(srv *server.MCPServer, hooks *server.Hooks) {
	srv.AddResource(
		mcp.NewResource(pipelineURI, "pipeline", mcp.WithResourceTitle("The pipeline"), mcp.WithResourceDescription("All stages with their stories"), mcp.WithMIMEType(markdown)),
		s.readResource)
	srv.AddResourceTemplate(
		mcp.NewResourceTemplate(storyTemplate, "story", mcp.WithTemplateTitle("A story"), mcp.WithTemplateDescription("One story with its description and notes"), mcp.WithTemplateMIMEType(markdown)),
		s.readResource)
	hooks.AddAfterListResources(func(ctx context.Context, _ any, _ *mcp.ListResourcesRequest, result *mcp.ListResourcesResult) {
		stories, err := s.unfinished(ctx)
		if err != nil {
			s.logger.Error("stories cannot be listed", "error", err)
			return // the pipeline's own resource says why, when it is read
		}
		result.Resources = append(result.Resources, stories...)
	})
	s.addSubscriptions(hooks)
}

// unfinished returns the first stories that are not done, as resources.
func (s *service) unfinished(ctx context.Context) (resources []mcp.Resource, err error) {
	err = s.view(ctx, func(p *replica.View) error {
		resources = nil
		page, err := p.List(pipeline.Filter{}, nil, maxListedStories)
		room := maxAnswerBytes - maxFrameBytes
		for _, story := range page.Stories {
			if story.Stage == pipeline.Done || story.Stage == pipeline.Archived {
				continue
			}
			it := newItem(story)
			resource := mcp.NewResource(storyURI+it.StoryID, it.StoryID,
				mcp.WithResourceTitle(clean(it.Name)), mcp.WithResourceDescription("In "+clean(it.Stage)), mcp.WithMIMEType(markdown))
			size, err := jsonSize(resource)
			if room -= size + 1; err != nil || room < 0 {
				return err // the pipeline's own resource counts all
			}
			resources = append(resources, resource)
		}
		return err
	})
	return resources, err
}

// readResource answers resources/read.
func (s *service) readResource(ctx context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
	uri := req.Params.URI
	var text string
	err := s.view(ctx, func(p *replica.View) (err error) {
		text, err = s.resource(p.State, uri)
		return err
	})
	var domain *pipeline.Error
	if errors.As(err, &domain) { // there is no such story
		code := mcp.RESOURCE_NOT_FOUND
		if mcp.IsModernProtocol(server.RequestProtocolVersion(ctx)) {
			code = mcp.INVALID_PARAMS
		}
		calls.FailWith(ctx, code)
		return nil, errors.New(clean(refused(domain)))
	}
	if err != nil {
		s.logger.Error("resource cannot be read", "uri", uri, "error", err)
		return nil, errors.New(clean(err.Error()))
	}
	return []mcp.ResourceContents{mcp.TextResourceContents{URI: uri, MIMEType: markdown, Text: text}}, nil
}

// isResource reports whether there is, or may come to be, a resource at the URI.
func isResource(uri string) bool {
	id, isStory := strings.CutPrefix(uri, storyURI)
	return uri == pipelineURI || isStory && pipeline.CheckStoryID(id) == nil
}

// resource returns the resource at the URI as Markdown.
func (s *service) resource(p *pipeline.State, uri string) (string, error) {
	if uri == pipelineURI {
		return pipelineMarkdown(p)
	}
	return s.storyMarkdown(p, strings.TrimPrefix(uri, storyURI))
}

// Bounds of the stories that the pipeline's page names in one stage.
const (
	maxInStage         = 100
	maxInFinishedStage = 10
)

// pipelineMarkdown writes the stages with their stories in order. It is bounded;
// what is left out is said.
func pipelineMarkdown(p *pipeline.State) (string, error) {
	var b strings.Builder
	b.WriteString("# Pipeline\n")
	if gaps := p.Missing(); gaps.Any() {
		fmt.Fprintf(&b, "\nWarning: %s\n", phrase.Missing(gaps, tellUser))
	}
	stages := pipeline.Stages()
	for i, stage := range stages {
		// Each stage may take an equal part of what is left by those before it.
		room := (maxAnswerBytes - maxFrameBytes - b.Len()) / (len(stages) - i)
		if err := writeStage(&b, p, stage, room); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// writeStage writes a stage with its first stories.
func writeStage(b *strings.Builder, p *pipeline.State, stage pipeline.Stage, room int) error {
	most := maxInStage
	if stage == pipeline.Done || stage == pipeline.Archived {
		most = maxInFinishedStage
	}
	page, err := p.List(pipeline.Filter{Stages: []pipeline.Stage{stage}}, nil, most)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "\n## %s (%d)\n\n", stage, page.Total)
	shown := 0
	for _, story := range page.Stories {
		it := newItem(story)
		entry := fmt.Sprintf("- `%s` %s%s\n", it.StoryID, line(it.Name), flags(it))
		if room -= len(entry); room < 0 {
			break
		}
		b.WriteString(entry)
		shown++
	}
	if more := page.Total - shown; more > 0 {
		fmt.Fprintf(b, "- and %d more: list_items with stage %s\n", more, stage)
	}
	if page.Total == 0 {
		b.WriteString("none\n")
	}
	return nil
}

// flags writes what a list says of a story beside its name.
func flags(story item) string {
	var all []string
	if story.Agent != "" {
		all = append(all, "agent "+line(story.Agent))
	}
	if story.Ready {
		all = append(all, "ready")
	}
	if story.Blocked {
		all = append(all, "blocked: "+line(story.BlockedReason))
	}
	if len(story.WaitingOn) > 0 {
		all = append(all, "waiting on "+numberList(story.WaitingOn))
	}
	if story.RetryCount > 0 {
		all = append(all, fmt.Sprintf("%d retries", story.RetryCount))
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, "; ") + ")"
}

// maxResourceDependents bounds the dependents that a story's page names.
const maxResourceDependents = 20

// storyMarkdown writes all there is to know of a story, as much as there is room for.
func (s *service) storyMarkdown(p *pipeline.State, id string) (string, error) {
	id, err := p.Resolve(id)
	if err != nil {
		return "", err
	}
	story, err := p.Story(id)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", story.ID)
	writeRows(&b, p, newItem(story), story.Claim)
	if story.Description != "" {
		fmt.Fprintf(&b, "\n## Description\n\n%s\n", quoted(shorten(story.Description, maxAnswerBytes-maxFrameBytes-restBytes-b.Len())))
	}
	writeNotes(&b, p, id)
	return b.String(), nil
}

// writeRows writes the short parts of a story, one a line.
func writeRows(b *strings.Builder, p *pipeline.State, it item, claim *pipeline.Claim) {
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "- %s: %s\n", name, value)
		}
	}
	row("Name", line(it.Name))
	row("Stage", line(it.Stage))
	row("Claim lapsed", line(it.LapsedAgent))
	row("Agent", line(it.Agent))
	if claim != nil && it.LapsedAgent == "" {
		row("Claimed", pipeline.FormatTime(claim.Since))
	}
	if it.Blocked {
		row("Blocked", line(it.BlockedReason)+" ")
	}
	row("Depends on", numberList(it.DependsOn))
	row("Waiting on", numberList(it.WaitingOn))
	if dependents, count := p.Dependents(it.StoryID, maxResourceDependents); count > 0 {
		names := strings.Join(dependents, ", ")
		if count > len(dependents) {
			names += fmt.Sprintf(" and %d more", count-len(dependents))
		}
		row("Depended on by", names)
	}
	if it.RetryCount > 0 {
		row("Retries", fmt.Sprint(it.RetryCount))
	}
	for _, w := range it.Warnings {
		row("Warning", line(w))
	}
	row("Updated", it.UpdatedAt)
	row("Rev", it.Rev)
}

// writeNotes writes the story's last notes, newest last, as many as there is room for.
func writeNotes(b *strings.Builder, p *pipeline.State, id string) {
	last, count := p.Notes(id, maxNotes)
	if count == 0 {
		return
	}
	notes := newItemNotes(last, min(maxNoteBytes, maxAnswerBytes-maxFrameBytes-b.Len()))
	fmt.Fprintf(b, "\n## Notes (%d)\n", count)
	if older := count - len(notes); older > 0 {
		fmt.Fprintf(b, "\n%d older ones are not shown: read_item with history has them.\n", older)
	}
	for _, n := range notes {
		who := line(n.Agent)
		if who == "" {
			who = "somebody"
		}
		fmt.Fprintf(b, "\n### %s, %s\n\n%s\n", who, cmp.Or(n.At, "at an unknown time"), quoted(n.Text))
	}
}

// quoted returns text as a block quote of Markdown, which ends with it: no heading or
// fence in it can pass for a part of the page.
func quoted(s string) string {
	lines := strings.Split(strings.ReplaceAll(clean(s), "\r", ""), "\n")
	return strings.TrimRight("> "+strings.Join(lines, "\n> "), " ")
}

// line returns text as one line of Markdown.
func line(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

func numberList(numbers []uint32) string {
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(numbers)), ", "), "[]")
}
