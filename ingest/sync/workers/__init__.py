"""Who runs next: the waiting runs, schedules and watched folders, and the workers that share them."""
