import { render } from 'preact'
import { startLocation } from './state/location.ts'
import { startPreferences } from './state/preferences.ts'
import { startSession } from './state/session.ts'
import { Console } from './views/console.tsx'

startPreferences()
startLocation()
void startSession()
const place = document.getElementById('console')
if (place !== null) render(<Console />, place)
