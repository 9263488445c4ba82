"""Pictures of this chapter's lessons: no part of what is measured."""
